#include "runtime/vulkan/stream.h"

#include <heddle/error.h>

#include <algorithm>
#include <utility>

namespace heddle::runtime::vulkan {

namespace {

constexpr u32 most_work = 64;
constexpr u64 most_bytes_in_flight = u64{1} << 31;
constexpr std::size_t most_in_flight = 32;

// A card reads 64 MiB in some 20 us, a few times what a submission takes. Elsewhere that takes milliseconds, in which what was called for should
// not wait for a host that does other things.
u64 small_bytes_of(const PhysicalDevice& device) {
    return u64{device.type == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU ? 64u : 4u} << 20;
}

} // namespace

VulkanStream::VulkanStream(std::shared_ptr<Memory> memory)
    : memory_(std::move(memory)), core_(*memory_->core), small_bytes_(small_bytes_of(core_.physical())),
      retains_(core_.options().retain_bound_buffers), first_number_(core_.take_batch_numbers()) {
    VkCommandPoolCreateInfo info{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    info.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
    info.queueFamilyIndex = core_.physical().queue_family;
    core_.check(core_.vk.vkCreateCommandPool(core_.device, &info, nullptr, &pool_), "vkCreateCommandPool");
    try {
        timeline_ = core_.make_timeline();
    } catch (...) {
        core_.vk.vkDestroyCommandPool(core_.device, pool_, nullptr);
        throw;
    }
}

VulkanStream::~VulkanStream() {
    open_ = nullptr;
    drain();
    core_.vk.vkDestroySemaphore(core_.device, timeline_, nullptr);
    core_.vk.vkDestroyCommandPool(core_.device, pool_, nullptr);
}

/// What was recorded runs, also when recording what follows it fails: all of a call is owned either way.
struct VulkanStream::OwnAtEnd {
    VulkanStream& stream;
    Batch& batch;
    std::vector<Launch>& launches;
    ~OwnAtEnd() {
        for (Launch& launch : launches) stream.own(batch, launch);
    }
};

Event VulkanStream::submit(std::vector<Launch>& launches) {
    BatchList finished;
    Event event;
    {
        Launch* const repeatable = launches.size() == 1 && RecordedKernel::fits(launches.front(), core_)
                                       ? &launches.front()
                                       : nullptr;
        if (repeatable != nullptr) patch_addresses(*repeatable);
        Lock lock(lock_);
        Batch& batch = open_batch(lock, repeatable);
        const bool repeated = repeatable != nullptr && batch.commands == Batch::Commands::stale &&
                              batch.kernel.is(KernelIdentity(*repeatable), repeatable->arguments);
        if (!repeated) {
            begin_if_stale(batch);
            batch.encoder.reserve(launches);
            batch.touched.begin_call();
        }
        event = Event(shared_from_this(), batch.value);
        batch.announce(launches, event);
        {
            const OwnAtEnd owning{*this, batch, launches};
            if (repeated)
                repeat(batch, *repeatable->executable);
            else
                record(batch, launches, repeatable);
        }
        take_finished(finished);
        if (repeated || should_flush()) flush_open();
    }
    recycle(finished);
    if (any_failure()) throw_if_failed(event.value());
    return event;
}

Event VulkanStream::submitted() {
    Lock lock(lock_);
    return Event(shared_from_this(), last_value_);
}

Event VulkanStream::copy(StagedCopy& copy) {
    Event event;
    {
        Lock lock(lock_);
        Batch& batch = open_batch(lock, nullptr);
        begin_if_stale(batch);
        batch.kernel.clear();
        const Allocation& buffer = copy.buffer->allocation();
        const Allocation& staging = copy.staging->allocation();
        u64 begin = buffer.address() + copy.offset;
        batch.touched.begin_call();
        batch.owned.reserve(2);
        event = Event(shared_from_this(), batch.value);
        if (copy.to_device)
            copy.buffer->set_written(event);
        else
            copy.buffer->add_read(event);
        if (batch.touched.conflicts(begin, begin + copy.bytes, copy.to_device)) barrier(batch);
        batch.touched.touch(begin, begin + copy.bytes, copy.to_device);
        VkBufferCopy region{buffer.offset + copy.offset, staging.offset, copy.bytes};
        VkBuffer from = buffer.block->buffer, to = staging.block->buffer;
        if (copy.to_device) {
            std::swap(region.srcOffset, region.dstOffset);
            std::swap(from, to);
        }
        core_.vk.vkCmdCopyBuffer(batch.encoder.commands(), from, to, 1, &region);
        batch.owned.add(std::move(copy.buffer));
        batch.owned.add(std::move(copy.staging));
        batch.owned_bytes += copy.bytes;
        ++batch.work;
        if (should_flush()) flush_open();
    }
    if (any_failure()) throw_if_failed(event.value());
    return event;
}

// ---- recording

/// The batch that calls go to. A new one is not begun yet: `repeatable`, if that is all of the call, may be what its commands are.
Batch& VulkanStream::open_batch(Lock& lock, const Launch* repeatable) {
    while (open_ == nullptr && too_much_in_flight() && !core_.lost()) {
        u64 oldest = in_flight_.front().value;
        lock.unlock();
        wait_value(oldest);
        collect();
        lock.lock();
    }
    if (core_.lost()) throw DeviceLost(device_lost);
    if (open_ == nullptr) {
        make_room_to_fail();
        std::unique_ptr<Batch> batch = make_batch(repeatable);
        number(*batch);
        open_ = std::move(batch);
    }
    return *open_;
}

// So much may wait for the device on one stream that it always has work, and no more: calls in a row then find memory to reuse, where
// new memory costs milliseconds. What tests hold back is not waited for.
bool VulkanStream::too_much_in_flight() const {
    if (in_flight_.size() < sent_at_once() || core_.gate_value() != 0) return false;
    return in_flight_.size() >= most_in_flight || in_flight_bytes_ > most_bytes();
}

u64 VulkanStream::most_bytes() const { return std::min(most_bytes_in_flight, memory_->limit / 32); }

std::unique_ptr<Batch> VulkanStream::make_batch(const Launch* repeatable) {
    // What is sent at once holds one call.
    if (repeatable != nullptr && in_flight_.size() < sent_at_once())
        if (std::unique_ptr<Batch> batch = spare_.take(KernelIdentity(*repeatable), repeatable->arguments))
            return batch;
    if (std::unique_ptr<Batch> batch = spare_.take()) return batch;
    auto batch = std::make_unique<Batch>(memory_);
    VkCommandBuffer commands = VK_NULL_HANDLE;
    VkCommandBufferAllocateInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
    info.commandPool = pool_;
    info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    info.commandBufferCount = 1;
    core_.check(core_.vk.vkAllocateCommandBuffers(core_.device, &info, &commands),
                "vkAllocateCommandBuffers");
    batch->set_commands(commands, timeline_);
    return batch;
}

// The barrier at the start orders the batch after all that was submitted to the queue before, on any stream.
VkResult VulkanStream::begin(Batch& batch) {
    batch.kernel.clear();
    const VkCommandBufferBeginInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    const VkResult result = core_.vk.vkBeginCommandBuffer(batch.encoder.commands(), &info);
    if (result < 0) return result;
    batch.commands = Batch::Commands::recording;
    barrier(batch);
    return result;
}

void VulkanStream::begin_if_stale(Batch& batch) {
    if (batch.commands == Batch::Commands::stale) core_.check(begin(batch), "vkBeginCommandBuffer");
}

void VulkanStream::barrier(Batch& batch) {
    batch.encoder.barrier();
    batch.touched.clear();
}

void VulkanStream::record(Batch& batch, std::span<Launch> launches, const Launch* repeatable) {
    bool ordered = false;
    for (Launch& launch : launches) record(batch, launch, ordered);
    if (repeatable != nullptr && batch.work == 1)
        batch.kernel.set(KernelIdentity(*repeatable), repeatable->arguments);
    else
        batch.kernel.clear();
}

void VulkanStream::record(Batch& batch, Launch& launch, bool& ordered) {
    const auto& command = static_cast<const VulkanCommand&>(*launch.executable);
    const VulkanRecording* recording = command.recording();
    auto own_writes = recording != nullptr ? recording->own_writes() : std::span<const AddressRange>();
    auto end = [&](std::size_t k) { return launch.buffers[k]->address() + launch.buffers[k]->bytes(); };
    bool needed = launch.barrier_before;
    // After the call's first barrier nothing of earlier calls is left to wait for.
    for (std::size_t k = 0; k < launch.buffers.size() && !needed && !ordered; ++k)
        needed = batch.touched.conflicts(launch.buffers[k]->address() + launch.offsets[k], end(k),
                                         launch.writes(k));
    for (std::size_t k = 0; k < own_writes.size() && !needed && !ordered; ++k)
        needed = batch.touched.conflicts(own_writes[k].begin, own_writes[k].end, true);
    if (needed) {
        barrier(batch);
        ordered = true;
    }
    if (launch.grid[0] == 0 || launch.grid[1] == 0 || launch.grid[2] == 0) return;
    for (std::size_t k = 0; k < launch.buffers.size(); ++k)
        batch.touched.touch(launch.buffers[k]->address() + launch.offsets[k], end(k), launch.writes(k));
    for (const AddressRange& range : own_writes) batch.touched.touch(range.begin, range.end, true);
    batch.last = &command;
    if (recording != nullptr)
        batch.encoder.execute(recording->commands());
    else
        batch.encoder.kernel(launch);
    batch.work += recording != nullptr ? std::max(recording->work(), 1u) : 1;
}

void VulkanStream::own(Batch& batch, Launch& launch) noexcept {
    if (batch.owned_last != launch.executable.get()) {
        batch.owned_last = launch.executable.get();
        batch.owned.add(std::move(launch.executable));
    }
    for (BufferRef& buffer : launch.buffers) {
        auto& bound = static_cast<VulkanBuffer&>(*buffer);
        if (!retains_ || bound.owned_last_by(batch.number)) continue;
        bound.set_owner(batch.number);
        u64 bytes = bound.bytes();
        if (batch.owned.add(std::move(buffer))) batch.owned_bytes += bytes;
    }
}

// ---- the queue

// Calls of a batch overlap where their buffers allow it, and between batches the device drains, 5 us of a GPU's time: so a batch may be half
// of what may be in flight.
bool VulkanStream::should_flush() {
    return in_flight_.size() < sent_at_once() || open_->work >= most_work ||
           open_->owned_bytes >= most_bytes() / 2;
}

void VulkanStream::flush() {
    Lock lock(lock_);
    if (open_ != nullptr) flush_open();
}

VkResult VulkanStream::end(Batch& batch) {
    VkMemoryBarrier to_host{VK_STRUCTURE_TYPE_MEMORY_BARRIER};
    to_host.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    to_host.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
    core_.vk.vkCmdPipelineBarrier(batch.encoder.commands(),
                                  VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
                                  VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &to_host, 0, nullptr, 0, nullptr);
    return core_.vk.vkEndCommandBuffer(batch.encoder.commands());
}

/// Nothing is left to be recorded.
VkResult VulkanStream::finish_commands(Batch& batch) {
    VkResult result = VK_SUCCESS;
    // Stale: nothing came of a call for which it was opened.
    if (batch.commands == Batch::Commands::stale) result = begin(batch);
    if (result >= 0) result = end(batch);
    if (result >= 0) result = batch.encoder.flush_parameters();
    return result;
}

void VulkanStream::note_failure(Batch& batch, VkResult result) noexcept {
    if (result == VK_ERROR_DEVICE_LOST) core_.lose();
    failures_.note(batch, result);
    batch.kernel.clear();
}

} // namespace heddle::runtime::vulkan
