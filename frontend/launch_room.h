#pragma once
// Room for launches that is used again.

#include "runtime/device.h"

#include <array>
#include <utility>
#include <vector>

namespace heddle::detail {

/// Launches that are over, with the room of their lists: calls of few kernels fill them anew and need no memory for them. One for each
/// thread.
class LaunchRoom {
public:
    static LaunchRoom& of_thread();
    /// Empty, as a new one is.
    runtime::Launch take();
    std::vector<runtime::Launch> take_list() { return std::exchange(list_, {}); }
    /// What has been submitted; of many only some are kept.
    void give(std::vector<runtime::Launch>&& launches) noexcept;

private:
    static constexpr std::size_t most = 16;
    std::array<runtime::Launch, most> spare_;
    std::size_t count_ = 0;
    std::vector<runtime::Launch> list_;
};

} // namespace heddle::detail
