#pragma once
// A few independent pieces of compilation at once: each on a thread of its own, as many as there are cores, the caller's included.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace heddle::detail {

/// Calls `work(0)` to `work(count - 1)`, in any order. Rethrows the first exception after all have ended.
template <class Work> void run_parallel(std::size_t count, Work work) {
    if (count == 0) return;
    if (count == 1) {
        work(std::size_t{0});
        return;
    }
    std::atomic<std::size_t> next{0};
    std::exception_ptr failure;
    std::mutex mutex;
    auto loop = [&] {
        for (std::size_t k = next.fetch_add(1); k < count; k = next.fetch_add(1)) {
            try {
                work(k);
            } catch (...) {
                std::lock_guard lock(mutex);
                if (!failure) failure = std::current_exception();
            }
        }
    };
    const std::size_t helpers =
        std::min<std::size_t>(count, std::max(1u, std::thread::hardware_concurrency())) - 1;
    {
        std::vector<std::jthread> threads;
        for (std::size_t k = 0; k < helpers; ++k) threads.emplace_back(loop);
        loop();
    }
    if (failure) std::rethrow_exception(failure);
}

} // namespace heddle::detail
