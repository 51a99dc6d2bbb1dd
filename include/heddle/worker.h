#pragma once
// Threads that stay: a `Worker` runs the tasks that it is given one after the other, in the order of `submit`; a `WorkerPool` has
// several. To hand a task over costs a short lock, not the start of a thread. As with run_on_thread, what goes there and what comes
// back must be `Sendable`, and a task works in the context of whoever submitted it.
//
//     hd::Worker worker("tokens");
//     std::future<hd::MaterializedArray> y = worker.submit([](hd::Array x) { return hd::materialize(x * 2.0f); }, hd::materialize(x));

#include <heddle/thread.h>

#include <atomic>
#include <cstddef>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace heddle {

namespace detail {

class WorkerTask {
public:
    virtual ~WorkerTask() = default;
    virtual void run() noexcept = 0;
};

/// A callable with its arguments. Both are gone, and so is the hold on the context, before anybody learns that the task is done.
template <class R, class F, class... A> class WorkerCall {
public:
    template <class... Given> explicit WorkerCall(std::shared_ptr<ContextState> state, Given&&... given)
        : state_(std::move(state)), work_(std::in_place, std::forward<Given>(given)...) {}
    R operator()() {
        struct Drop {
            std::optional<std::tuple<F, A...>>& work;
            ~Drop() { work.reset(); }
        };
        Context context = Context::sharing(std::move(state_));
        const Context::Scope scope(context);
        const Drop drop{work_};
        return std::apply(
            [](F& function, A&... given) -> R {
                return std::invoke(std::move(function), std::move(given)...);
            },
            *work_);
    }

private:
    std::shared_ptr<ContextState> state_;
    std::optional<std::tuple<F, A...>> work_;
};

template <class R> class PackagedTask final : public WorkerTask {
public:
    template <class Call> explicit PackagedTask(Call call) : task_(std::move(call)) {}
    std::future<R> future() { return task_.get_future(); }
    void run() noexcept override { task_(); }

private:
    std::packaged_task<R()> task_; // passes on what the call throws
};

template <class F, class... A> auto make_task(F&& function, A&&... arguments) {
    using R = std::invoke_result_t<std::decay_t<F>, std::decay_t<A>...>;
    return std::make_unique<PackagedTask<R>>(WorkerCall<R, std::decay_t<F>, std::decay_t<A>...>(
        Context::current().state(), std::forward<F>(function), std::forward<A>(arguments)...));
}

/// The thread of one worker, and the queue before it.
class WorkerThread {
public:
    explicit WorkerThread(std::string name);
    /// Closes, then joins; in a task of its own it lets the thread go instead, which ends by itself.
    ~WorkerThread();
    WorkerThread(const WorkerThread&) = delete;
    WorkerThread& operator=(const WorkerThread&) = delete;

    const std::string& name() const { return name_; }
    /// UsageError when it is closed.
    void push(std::unique_ptr<WorkerTask> task);
    /// Takes no more tasks.
    void close();
    bool is_this_thread() const { return std::this_thread::get_id() == id_; }
    /// Of a closed one that is not this thread; several may.
    void join();
    void let_go();

private:
    struct Queue;
    static void work(const std::shared_ptr<Queue>& queue, const std::string& name);

    std::string name_;
    std::shared_ptr<Queue> queue_; // the thread's too, which may outlive this
    std::mutex joining_;
    std::thread thread_;
    std::thread::id id_;
};

} // namespace detail

/// One long-lived thread. Any thread may use it, also a task that it runs. A task must not wait for a later one of the same worker.
class Worker {
public:
    /// The system shows the first 15 bytes of `name`. DeviceError when it starts no more threads.
    explicit Worker(std::string name) : thread_(std::move(name)) {}
    /// As shutdown(). In a task of this worker: what is queued runs when that task returns, and then the thread ends by itself.
    ~Worker() { shutdown(); }

    /// Queues a call of `function` with `arguments` and returns at once. The future gives the result or the exception; destroying it
    /// waits for nothing, and with it goes the error that nobody asked for. UsageError after shutdown().
    template <class F, class... A>
        requires SendableWork<F, A...>
    auto submit(F&& function, A&&... arguments) {
        auto task = detail::make_task(std::forward<F>(function), std::forward<A>(arguments)...);
        auto future = task->future();
        thread_.push(std::move(task));
        return future;
    }
    /// Takes no more tasks, runs what is queued, and ends the thread; returns when that is done, also to a second caller. In a task of
    /// this worker it returns at once, since it would wait for itself: what is queued runs after that task, and the thread is joined
    /// by the next call from elsewhere or by the destructor.
    void shutdown();

    const std::string& name() const { return thread_.name(); }

private:
    detail::WorkerThread thread_;
};

/// Several workers. The submissions are dealt out in turn: number k (from 0) goes to worker k modulo size(), busy or not, so that those
/// of one worker run in order and those of different workers at the same time. A task must not wait for a later one, which may stand
/// behind it.
class WorkerPool {
public:
    /// The threads are called `name`-0, `name`-1...; the name is cut, not the number. UsageError for no workers.
    WorkerPool(const std::string& name, std::size_t workers);
    /// As shutdown(). In a task of the pool: the threads end by themselves when nothing is queued.
    ~WorkerPool();
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;

    /// As Worker::submit.
    template <class F, class... A>
        requires SendableWork<F, A...>
    auto submit(F&& function, A&&... arguments) {
        auto task = detail::make_task(std::forward<F>(function), std::forward<A>(arguments)...);
        auto future = task->future();
        threads_[next_.fetch_add(1, std::memory_order_relaxed) % threads_.size()]->push(std::move(task));
        return future;
    }
    /// As Worker::shutdown, for all of them. In a task of any of them it returns at once, and waits for none.
    void shutdown();

    std::size_t size() const { return threads_.size(); }

private:
    bool is_one_of_them() const;

    std::vector<std::unique_ptr<detail::WorkerThread>> threads_;
    std::atomic<std::size_t> next_ = 0;
};

template <> inline constexpr bool enable_synchronized<Worker> = true;
template <> inline constexpr bool enable_synchronized<WorkerPool> = true;

} // namespace heddle
