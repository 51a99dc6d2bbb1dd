#include "frontend/encoders.h"

#include <fmt/format.h>
#include <new>

namespace heddle::detail {

namespace {

/// Shared with workers that come when all is done, and then find nothing to take.
struct Job {
    Job(std::size_t pieces, const std::function<void(std::size_t)>& function)
        : count(pieces), work(function), failures(pieces) {}
    void help() noexcept {
        for (std::size_t k = next.fetch_add(1); k < count; k = next.fetch_add(1)) {
            try {
                work(k);
            } catch (...) {
                failures[k] = std::current_exception();
            }
            if (done.fetch_add(1, std::memory_order_acq_rel) + 1 == count) done.notify_all();
        }
    }
    const std::size_t count;
    const std::function<void(std::size_t)>& work; ///< valid while pieces are left
    std::vector<std::exception_ptr> failures;
    std::atomic<std::size_t> next = 0, done = 0;
};

class Help final : public WorkerTask {
public:
    explicit Help(std::shared_ptr<Job> job) : job_(std::move(job)) {}
    void run() noexcept override { job_->help(); }

private:
    std::shared_ptr<Job> job_;
};

} // namespace

void Encoders::run(std::size_t count, const std::function<void(std::size_t)>& work) {
    std::call_once(started_, [&] {
        while (workers_running_.size() < workers_)
            workers_running_.push_back(
                std::make_unique<WorkerThread>(fmt::format("heddle-enc-{}", workers_running_.size())));
    });
    const auto job = std::make_shared<Job>(count, work);
    try {
        for (std::size_t k = 0; k < workers_running_.size() && k + 1 < count; ++k)
            workers_running_[k]->push(std::make_unique<Help>(job));
    } catch (const std::bad_alloc&) {
        // Those that were told may be at work already; this thread does the rest.
    }
    job->help();
    for (std::size_t done = job->done.load(std::memory_order_acquire); done < count;
         done = job->done.load(std::memory_order_acquire))
        job->done.wait(done, std::memory_order_acquire);
    // What was thrown ends with this call, not with the last worker that lets go of the job.
    const std::vector<std::exception_ptr> failures = std::move(job->failures);
    for (const std::exception_ptr& failure : failures)
        if (failure) std::rethrow_exception(failure);
}

} // namespace heddle::detail
