#include <heddle/synchronized.h>

#include "frontend/context_state.h"
#include "frontend/lazy.h"
#include "frontend/location.h"
#include "frontend/trace.h"

#include <heddle/error.h>

#include <fmt/format.h>

namespace heddle::detail {

void FairMutex::lock(std::source_location where) {
    std::unique_lock lock(mutex_);
    if (owner_ == std::this_thread::get_id())
        throw UsageError(fmt::format(
            "Synchronized: this thread has the lock already and would wait for itself ({})", text(where)));
    const std::uint64_t ticket = next_ticket_++;
    turn_.wait(lock, [&] { return served_ == ticket; });
    owner_ = std::this_thread::get_id();
}

bool FairMutex::try_lock() {
    std::lock_guard lock(mutex_);
    if (served_ != next_ticket_) return false;
    ++next_ticket_;
    owner_ = std::this_thread::get_id();
    return true;
}

void FairMutex::unlock() {
    {
        std::lock_guard lock(mutex_);
        ++served_;
        owner_ = {};
    }
    turn_.notify_all();
}

std::size_t FairMutex::waiting() const {
    std::lock_guard lock(mutex_);
    const std::uint64_t present = next_ticket_ - served_;
    return present == 0 ? 0 : static_cast<std::size_t>(present - 1);
}

WorkScope::WorkScope(std::source_location where) : before_(LazyGraph::of_thread()->made()) {
    if (const Trace* trace = Trace::current())
        throw TraceError(
            fmt::format("{}: Synchronized: what a trace records is not run here, so that the lock "
                        "cannot wait for it ({})",
                        trace->name(), text(where)));
}

void WorkScope::finish() {
    LazyGraph::of_thread()->flush(before_);
    for (const runtime::DeviceRef& device : current_state()->opened()) device->submitted().wait();
}

void WorkScope::abandon() noexcept {
    // The closure's own error is on its way: what its work failed with is told to whoever reads the results.
    try {
        for (const runtime::DeviceRef& device : current_state()->opened()) device->submitted().wait();
    } catch (...) { // nothing may leave here
    }
}

} // namespace heddle::detail
