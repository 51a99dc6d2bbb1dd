// The short way of a call that is a batch of its own whose commands are there: what a small kernel's call costs the host lies here.

#include "runtime/vulkan/stream.h"

#include <array>

namespace heddle::runtime::vulkan {

/// All that a batch owns, each buffer once; and the events of those that are at home here.
void VulkanStream::own(Batch& batch, const PreparedKernel& launch, std::span<const Bound> bound) noexcept {
    batch.owned_last = launch.executable.get();
    batch.owned.add_new(launch.executable);
    std::array<const Buffer*, PreparedKernel::most_pointers>
        buffers; // NOLINT(cppcoreguidelines-pro-type-member-init)
    for (std::size_t k = 0; k < bound.size(); ++k) {
        Buffer& buffer = **bound[k].buffer;
        buffers[k] = &buffer;
        if (buffer.is_at_home(this)) buffer.note_at_home(batch.value, launch.writes(k));
        bool is_new = retains_;
        for (std::size_t j = 0; j < k; ++j) is_new &= buffers[j] != &buffer;
        if (!is_new) continue;
        batch.owned_bytes += buffer.bytes();
        batch.owned.add_new(bound[k].share());
    }
}

bool VulkanStream::repeat(const PreparedKernel& launch, std::span<const Bound> bound,
                          std::span<const std::byte> arguments, bool all_at_home) {
    u64 value = 0;
    bool others = false;
    {
        const Lock lock(lock_);
        if (open_ != nullptr || in_flight_.size() >= sent_at_once() || core_.lost()) return false;
        make_room_to_fail();
        open_ = spare_.take(launch.kernel, arguments);
        if (open_ == nullptr) return false;
        Batch& batch = *open_;
        number(batch);
        value = batch.value;
        others = !in_flight_.empty();
        // What may fail comes first: then the batch stays open, and without commands.
        batch.owned.reserve(bound.size() + 1);
        if (!all_at_home) announce_abroad(launch, bound);
        repeat(batch, *launch.executable);
        own(batch, launch, bound);
        flush_open();
    }
    if (others) collect();
    if (any_failure()) throw_if_failed(value);
    return true;
}

/// Sets the events of buffers that are at home on another stream, in the order that Batch::announce keeps to.
void VulkanStream::announce_abroad(const PreparedKernel& launch, std::span<const Bound> bound) {
    Event event;
    for (const bool writes : {false, true})
        for (std::size_t k = 0; k < bound.size(); ++k) {
            Buffer& buffer = **bound[k].buffer;
            if (launch.writes(k) != writes || buffer.is_at_home(this)) continue;
            if (event.stream() == nullptr) event = Event(shared_from_this(), open_->value);
            buffer.note_use(event, writes);
        }
}

} // namespace heddle::runtime::vulkan
