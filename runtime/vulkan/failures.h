#pragma once
// Submissions of a stream that failed, by their values: what is told to whoever waits for one, also long after it is gone. That a submission
// failed is noted where nothing may fail any more, so room for that is made before; the words are put together when they are asked for.

#include "runtime/vulkan/batch.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace heddle::runtime::vulkan {

struct Failure {
    u64 value = 0;                             ///< of the stream's timeline
    std::shared_ptr<const std::string> kernel; ///< launched last; null: there was a copy alone
    u32 work = 0;                              ///< launches and copies
    VkResult result = VK_SUCCESS;
    std::string text() const;
};

/// Guarded by the stream's lock, but for any().
class Failures {
public:
    /// Room for so many more.
    void reserve(std::size_t more) {
        if (failures_.capacity() - failures_.size() < more) make_room(more);
    }
    void note(const Batch& batch, VkResult result) noexcept;
    std::optional<Failure> find(u64 value) const noexcept;
    bool contains(u64 value) const noexcept { return find(value).has_value(); }
    bool any() const noexcept { return any_.load(std::memory_order_relaxed); }

private:
    void make_room(std::size_t more);
    std::vector<Failure>::const_iterator place_of(u64 value) const noexcept;
    std::vector<Failure> failures_; ///< by value
    std::atomic<bool> any_ = false;
};

} // namespace heddle::runtime::vulkan
