#pragma once
// The CPU device's threads. A parallel loop is a job that lies on its caller's stack: the caller and whatever workers are free take chunks
// of it until none is left. Several threads may have loops open at once; a worker that looks for work starts with another
// job than the last one did. Idle workers spin for some microseconds and then sleep.

#include "support/integers.h"

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

namespace heddle::runtime::cpu {

/// Runs [first, last) of a loop. Must not throw. Gives false when the thread cannot take part (it has no memory); then nothing was run.
struct LoopBody {
    bool (*prepare)(void* context); ///< once a thread, before its first chunk
    void (*run)(void* context, i64 first, i64 last);
    void* context;
};

class ThreadPool {
public:
    /// `threads` counts the caller: one less is started.
    explicit ThreadPool(u32 threads);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    u32 threads() const { return static_cast<u32>(workers_.size()) + 1; }

    /// Runs [0, total) in chunks of at least `grain`, and returns when all is done. The caller must be prepared already.
    void parallel_for(i64 total, i64 grain, const LoopBody& body);

private:
    struct Job {
        LoopBody body;
        i64 total;
        i64 chunk;
        std::atomic<i64> next{0};
        std::atomic<u32> helpers{0};
    };
    static void run_chunks(Job& job);
    void work();
    void close() noexcept;
    Job* join_some_job();
    void leave(Job& job);
    void wait_for_helpers(Job& job);

    std::mutex mutex_; ///< of jobs_, turn_ and joining; held for a few instructions
    std::vector<Job*> jobs_;
    std::size_t turn_ = 0;
    std::atomic<u32> posted_{0};   ///< counts jobs; idle workers sleep on it
    std::atomic<u32> finished_{0}; ///< counts helpers that left; callers sleep on it
    std::atomic<bool> closing_{false};
    std::vector<std::thread> workers_;
};

} // namespace heddle::runtime::cpu
