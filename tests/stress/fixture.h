#pragma once
// What the stress tests share: a context of their own on each device, what is live in it, and counts that sanitizer builds divide.

#include "frontend/context_state.h"
#include "runtime/device.h"
#include "runtime/faults.h"

#include <heddle/heddle.h>

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

namespace heddle::tests {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

/// Everything that a run may leave behind.
struct Live {
    explicit Live(const Context& context)
        : arrays(live_arrays()), buffers(context.live_buffers()), bytes(context.live_bytes()),
          programs(context.statistics().live_programs),
          specializations(context.statistics().live_specializations) {}
    std::uint64_t arrays, buffers, bytes, programs, specializations;
    bool operator==(const Live&) const = default;
};
inline void PrintTo(const Live& live, std::ostream* out) {
    *out << live.arrays << " arrays, " << live.buffers << " buffers, " << live.bytes << " bytes, "
         << live.programs << " programs, " << live.specializations << " specializations";
}

class OnDevice : public ::testing::TestWithParam<const char*> {
protected:
    static Context make_context() {
        return Context(ContextOptions{.device = GetParam(), .cache_directory = ""});
    }
    Context context{make_context()};
    Context::Scope scope{context};
    runtime::Device& device = *context.state()->device();
};

/// Runs `work(k)` on so many threads at once, each in the context.
template <class Work> void on_threads(Context& context, int count, Work work) {
    std::latch start(count);
    std::vector<std::jthread> threads;
    for (int k = 0; k < count; ++k)
        threads.emplace_back([&, k] {
            Context::Scope scope(context);
            start.arrive_and_wait();
            work(k);
        });
}

inline std::vector<float> floats(const Array& array) { return array.to_vector<float>(); }
inline std::vector<float> filled(std::size_t count, float value) { return std::vector<float>(count, value); }

} // namespace heddle::tests

#define HEDDLE_ON_DEVICES(suite)                                                                             \
    INSTANTIATE_TEST_SUITE_P(Devices, suite, ::testing::Values("cpu", "vulkan"),                             \
                             [](const auto& info) { return std::string(info.param); })
