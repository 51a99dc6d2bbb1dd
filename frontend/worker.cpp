#include <heddle/worker.h>

#include <heddle/error.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <fmt/format.h>
#include <pthread.h>
#include <system_error>

namespace heddle {

namespace {

constexpr std::size_t shown_name = 15; ///< bytes of a thread's name that Linux keeps

} // namespace

namespace detail {

struct WorkerThread::Queue {
    std::mutex mutex;
    std::condition_variable posted;
    std::deque<std::unique_ptr<WorkerTask>> tasks;
    bool closed = false;
};

WorkerThread::WorkerThread(std::string name) : name_(std::move(name)), queue_(std::make_shared<Queue>()) {
    try {
        thread_ = std::thread(work, queue_, name_);
    } catch (const std::system_error& error) {
        throw DeviceError(
            fmt::format("worker {}: cannot start its thread: {}", name_, error.code().message()));
    }
    id_ = thread_.get_id();
}

WorkerThread::~WorkerThread() {
    if (!thread_.joinable()) return;
    close();
    if (is_this_thread())
        let_go();
    else
        join();
}

void WorkerThread::work(const std::shared_ptr<Queue>& queue, const std::string& name) {
    pthread_setname_np(pthread_self(), name.substr(0, shown_name).c_str());
    std::deque<std::unique_ptr<WorkerTask>> taken; // all that there was: one lock for many tasks
    while (true) {
        {
            std::unique_lock lock(queue->mutex);
            queue->posted.wait(lock, [&] { return !queue->tasks.empty() || queue->closed; });
            if (queue->tasks.empty()) return;
            std::swap(taken, queue->tasks);
        }
        for (; !taken.empty(); taken.pop_front()) taken.front()->run();
    }
}

void WorkerThread::push(std::unique_ptr<WorkerTask> task) {
    bool first = false;
    {
        std::lock_guard lock(queue_->mutex);
        if (queue_->closed) throw UsageError("worker has been shut down");
        first = queue_->tasks.empty();
        queue_->tasks.push_back(std::move(task));
    }
    // Behind another task it need not wake anybody: that one did.
    if (first) queue_->posted.notify_one();
}

void WorkerThread::close() {
    {
        std::lock_guard lock(queue_->mutex);
        queue_->closed = true;
    }
    queue_->posted.notify_one();
}

void WorkerThread::join() {
    std::lock_guard lock(joining_);
    if (thread_.joinable()) thread_.join();
}

void WorkerThread::let_go() { thread_.detach(); }

} // namespace detail

void Worker::shutdown() {
    thread_.close();
    if (!thread_.is_this_thread()) thread_.join();
}

WorkerPool::WorkerPool(const std::string& name, std::size_t workers) {
    if (workers == 0) throw UsageError("WorkerPool: 0 workers; it needs one or more");
    for (std::size_t k = 0; k < workers; ++k) {
        const std::string number = fmt::format("-{}", k);
        threads_.push_back(std::make_unique<detail::WorkerThread>(
            name.substr(0, shown_name - std::min(number.size(), shown_name)) + number));
    }
}

WorkerPool::~WorkerPool() {
    shutdown();
    // To join the others here could wait for ever: their tasks may wait for one that stands behind this task.
    if (is_one_of_them())
        for (const auto& thread : threads_) thread->let_go();
}

void WorkerPool::shutdown() {
    for (const auto& thread : threads_) thread->close();
    // Two tasks that each waited for the other's thread would never return.
    if (is_one_of_them()) return;
    for (const auto& thread : threads_) thread->join();
}

bool WorkerPool::is_one_of_them() const {
    return std::any_of(threads_.begin(), threads_.end(),
                       [](const auto& thread) { return thread->is_this_thread(); });
}

} // namespace heddle
