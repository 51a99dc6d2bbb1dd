#pragma once
// The workers that help to encode long programs: one set a context, started when first needed. The calling thread takes part, so that
// nothing waits for a worker that is busy with another call.

#include <heddle/worker.h>

#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace heddle::detail {

class Encoders {
public:
    explicit Encoders(std::size_t workers) : workers_(workers) {}

    /// Calls `work(0)` to `work(count - 1)`, in any order, on this thread and the workers. When all have returned, rethrows what the lowest of
    /// those that failed threw.
    void run(std::size_t count, const std::function<void(std::size_t)>& work);
    /// Threads that may take part, the caller's included.
    std::size_t threads() const { return workers_ + 1; }

private:
    std::size_t workers_;
    std::once_flag started_;
    std::vector<std::unique_ptr<WorkerThread>> workers_running_;
};

} // namespace heddle::detail
