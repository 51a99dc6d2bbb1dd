#include "runtime/cpu/thread_pool.h"

#include <algorithm>

namespace heddle::runtime::cpu {
namespace {

constexpr int spins = 2000; ///< of about 10 ns: waking a thread costs more

void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/// Spins, then sleeps, until the counter moves on from `seen`.
void wait_for_change(const std::atomic<u32>& counter, u32 seen) {
    for (int k = 0; k < spins; ++k) {
        if (counter.load(std::memory_order_acquire) != seen) return;
        pause();
    }
    counter.wait(seen, std::memory_order_acquire);
}

} // namespace

ThreadPool::ThreadPool(u32 threads) {
    try {
        for (u32 k = 1; k < threads; ++k) workers_.emplace_back([this] { work(); });
    } catch (...) {
        close(); // those that were started
        throw;
    }
}

ThreadPool::~ThreadPool() { close(); }

void ThreadPool::close() noexcept {
    closing_.store(true);
    posted_.fetch_add(1);
    posted_.notify_all();
    for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_chunks(Job& job) {
    while (true) {
        const i64 first = job.next.fetch_add(job.chunk, std::memory_order_relaxed);
        if (first >= job.total) return;
        job.body.run(job.body.context, first, std::min(first + job.chunk, job.total));
    }
}

void ThreadPool::parallel_for(i64 total, i64 grain, const LoopBody& body) {
    // Four chunks a thread level out what the system takes from one of them.
    const i64 share = (total + 4 * i64{threads()} - 1) / (4 * i64{threads()});
    Job job{body, total, std::max({share, grain, i64{1}})};
    if (workers_.empty() || job.chunk >= total) return run_chunks(job);
    {
        const std::lock_guard lock(mutex_);
        jobs_.push_back(&job);
    }
    posted_.fetch_add(1, std::memory_order_release);
    posted_.notify_all();
    run_chunks(job);
    {
        const std::lock_guard lock(mutex_);
        jobs_.erase(std::find(jobs_.begin(), jobs_.end(), &job));
    }
    wait_for_helpers(job);
}

void ThreadPool::wait_for_helpers(Job& job) {
    while (true) {
        const u32 seen = finished_.load(std::memory_order_acquire);
        if (job.helpers.load(std::memory_order_acquire) == 0) return;
        wait_for_change(finished_, seen);
    }
}

ThreadPool::Job* ThreadPool::join_some_job() {
    const std::lock_guard lock(mutex_);
    for (std::size_t k = 0; k < jobs_.size(); ++k) {
        Job* job = jobs_[(turn_ + k) % jobs_.size()];
        if (job->next.load(std::memory_order_relaxed) >= job->total) continue;
        turn_ += k + 1;
        job->helpers.fetch_add(1, std::memory_order_relaxed);
        return job;
    }
    return nullptr;
}

void ThreadPool::leave(Job& job) {
    // The job may be gone once its count is 0; what its caller sleeps on is the pool's.
    job.helpers.fetch_sub(1, std::memory_order_release);
    finished_.fetch_add(1, std::memory_order_release);
    finished_.notify_all();
}

void ThreadPool::work() {
    while (!closing_.load()) {
        const u32 seen = posted_.load(std::memory_order_acquire);
        bool worked = false;
        while (Job* job = join_some_job()) {
            const bool able = job->body.prepare(job->body.context);
            if (able) run_chunks(*job);
            leave(*job);
            if (!able) break;
            worked = true;
        }
        if (!closing_.load() && !worked) wait_for_change(posted_, seen);
    }
}

} // namespace heddle::runtime::cpu
