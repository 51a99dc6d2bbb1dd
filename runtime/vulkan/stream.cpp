#include "runtime/vulkan/stream.h"

#include <heddle/error.h>

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <utility>

namespace heddle::runtime::vulkan {

namespace {

// A batch is sent at once while fewer than this many are in flight; the device then never waits for the host to fill one.
constexpr std::size_t flush_below_in_flight = 2;
constexpr u32 most_work = 64;
constexpr u64 most_batch_bytes = u64{1} << 30;
constexpr std::size_t most_in_flight = 32;
constexpr const char* device_lost = "the Vulkan device was lost; open it again";
constexpr u64 wait_nanoseconds = 1'000'000'000;
constexpr std::chrono::microseconds poll_for(50);

} // namespace

VulkanStream::VulkanStream(std::shared_ptr<Memory> memory)
    : memory_(std::move(memory)), core_(*memory_->core) {
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
    Batches finished;
    Event event;
    {
        Lock lock(mutex_);
        Batch& batch = open_batch(lock);
        reserve_parameters(batch, launches);
        const std::vector<VkDescriptorSet> sets = reserve_sets(batch, launches);
        batch.touched.begin_call();
        event = Event(shared_from_this(), batch.value);
        batch.announce(launches, event);
        {
            const OwnAtEnd owning{*this, batch, launches};
            bool ordered = false;
            for (std::size_t k = 0; k < launches.size(); ++k) record(batch, launches[k], sets[k], ordered);
        }
        finished = take_finished();
        if (should_flush()) flush_open();
    }
    recycle(std::move(finished));
    if (any_failure()) throw_if_failed(event.value());
    return event;
}

Event VulkanStream::submitted() {
    Lock lock(mutex_);
    return Event(shared_from_this(), last_value_);
}

Event VulkanStream::copy(StagedCopy& copy) {
    Event event;
    {
        Lock lock(mutex_);
        Batch& batch = open_batch(lock);
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
        core_.vk.vkCmdCopyBuffer(batch.commands, from, to, 1, &region);
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

Batch& VulkanStream::open_batch(Lock& lock) {
    while (open_ == nullptr && too_much_in_flight() && !core_.lost()) {
        u64 oldest = in_flight_.front()->value;
        lock.unlock();
        wait_value(oldest);
        collect();
        lock.lock();
    }
    if (core_.lost()) throw DeviceLost(device_lost);
    if (open_ == nullptr) {
        std::unique_ptr<Batch> batch = make_batch();
        begin(*batch);
        batch->value = ++last_value_;
        batch->number = core_.new_batch_number();
        open_ = std::move(batch);
    }
    return *open_;
}

// Half of the memory may wait for the device on one stream. What tests hold back is not waited for.
bool VulkanStream::too_much_in_flight() const {
    if (in_flight_.size() < flush_below_in_flight || core_.gate_value() != 0) return false;
    return in_flight_.size() >= most_in_flight || in_flight_bytes_ > memory_->limit / 32;
}

std::unique_ptr<Batch> VulkanStream::make_batch() {
    if (!spare_.empty()) {
        std::unique_ptr<Batch> batch = std::move(spare_.back());
        spare_.pop_back();
        return batch;
    }
    auto batch = std::make_unique<Batch>();
    VkCommandBufferAllocateInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
    info.commandPool = pool_;
    info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    info.commandBufferCount = 1;
    core_.check(core_.vk.vkAllocateCommandBuffers(core_.device, &info, &batch->commands),
                "vkAllocateCommandBuffers");
    if (!core_.physical().info.target.buffer_addresses)
        batch->descriptors = std::make_unique<DescriptorSets>(core_);
    return batch;
}

// The barrier at the start orders the batch after all that was submitted to the queue before, on any stream.
void VulkanStream::begin(Batch& batch) {
    VkCommandBufferBeginInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    info.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
    core_.check(core_.vk.vkBeginCommandBuffer(batch.commands, &info), "vkBeginCommandBuffer");
    barrier(batch);
}

void VulkanStream::barrier(Batch& batch) {
    constexpr VkPipelineStageFlags stages =
        VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    VkMemoryBarrier memory{VK_STRUCTURE_TYPE_MEMORY_BARRIER};
    memory.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    memory.dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                           VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    core_.vk.vkCmdPipelineBarrier(batch.commands, stages, stages, 0, 1, &memory, 0, nullptr, 0, nullptr);
    batch.touched.clear();
}

void VulkanStream::reserve_parameters(Batch& batch, const std::vector<Launch>& launches) {
    u64 needed = 0;
    const u64 step = parameter_step();
    for (const Launch& launch : launches)
        if (launch.arguments.size() > core_.physical().info.target.max_parameter_bytes)
            needed += (launch.arguments.size() + step - 1) / step * step;
    if (needed == 0) return;
    if (batch.parameters != nullptr && batch.parameters->allocation().bytes - batch.parameters_used >= needed)
        return;
    StagingRef piece = try_take_staging(memory_, std::max<u64>(needed, 64 << 10));
    if (piece == nullptr) throw OutOfMemory(fmt::format("no memory for argument blocks of {} bytes", needed));
    if (batch.parameters != nullptr) batch.owned.add(std::move(batch.parameters));
    batch.parameters = std::move(piece);
    batch.parameters_used = 0;
}

/// A set a launch where kernels have descriptors, else as many that are none.
std::vector<VkDescriptorSet> VulkanStream::reserve_sets(Batch& batch, const std::vector<Launch>& launches) {
    std::vector<VkDescriptorSet> sets(launches.size(), VK_NULL_HANDLE);
    if (batch.descriptors == nullptr) return sets;
    for (std::size_t k = 0; k < launches.size(); ++k)
        sets[k] = batch.descriptors->take(static_cast<const VulkanExecutable&>(*launches[k].executable));
    return sets;
}

void VulkanStream::record(Batch& batch, Launch& launch, VkDescriptorSet set, bool& ordered) {
    auto written = [&](std::size_t k) { return k >= 32 || (launch.write_mask >> k & 1) != 0; };
    auto end = [&](std::size_t k) { return launch.buffers[k]->address() + launch.buffers[k]->bytes(); };
    bool needed = launch.barrier_before;
    // After the call's first barrier nothing of earlier calls is left to wait for.
    for (std::size_t k = 0; k < launch.buffers.size() && !needed && !ordered; ++k)
        needed =
            batch.touched.conflicts(launch.buffers[k]->address() + launch.offsets[k], end(k), written(k));
    if (needed) {
        barrier(batch);
        ordered = true;
    }
    if (launch.grid[0] == 0 || launch.grid[1] == 0 || launch.grid[2] == 0) return;
    for (std::size_t k = 0; k < launch.buffers.size(); ++k)
        batch.touched.touch(launch.buffers[k]->address() + launch.offsets[k], end(k), written(k));
    auto executable = static_cast<const VulkanExecutable*>(launch.executable.get());
    if (batch.bound != executable) {
        core_.vk.vkCmdBindPipeline(batch.commands, VK_PIPELINE_BIND_POINT_COMPUTE, executable->pipeline());
        batch.bound = executable;
        batch.owned.add(ExecutableRef(launch.executable));
    }
    if (set != VK_NULL_HANDLE)
        bind(batch, launch, set);
    else
        push(batch, launch);
    core_.vk.vkCmdDispatch(batch.commands, static_cast<u32>(launch.grid[0]), static_cast<u32>(launch.grid[1]),
                           static_cast<u32>(launch.grid[2]));
    ++batch.work;
}

/// Blocks of arguments lie at multiples of this.
u64 VulkanStream::parameter_step() const {
    const PhysicalDevice& physical = core_.physical();
    return physical.info.target.buffer_addresses ? 16 : std::max<u64>(16, physical.descriptor_alignment);
}

/// Copies an argument block into the batch's memory. Gives its offset there.
u64 VulkanStream::put_parameters(Batch& batch, const Launch& launch) {
    const Allocation& ring = batch.parameters->allocation();
    const u64 at = batch.parameters_used, bytes = launch.arguments.size(), step = parameter_step();
    std::memcpy(ring.host() + at, launch.arguments.data(), bytes);
    memory_->staging.flush(ring, at, bytes);
    batch.parameters_used += (bytes + step - 1) / step * step;
    return at;
}

void VulkanStream::push(Batch& batch, Launch& launch) {
    for (std::size_t k = 0; k < launch.buffers.size(); ++k) {
        u64 address = launch.buffers[k]->address() + launch.offsets[k];
        std::memcpy(launch.arguments.data() + launch.pointer_fields[k], &address, sizeof address);
    }
    const std::byte* block = launch.arguments.data();
    u32 bytes = static_cast<u32>(launch.arguments.size());
    u64 address = 0;
    if (bytes > core_.physical().info.target.max_parameter_bytes) {
        address = batch.parameters->allocation().address() + put_parameters(batch, launch);
        block = reinterpret_cast<const std::byte*>(&address);
        bytes = sizeof address;
    }
    if (bytes != 0)
        core_.vk.vkCmdPushConstants(batch.commands, core_.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, bytes,
                                    block);
}

/// The same with descriptors: a pointer's field holds how far behind the start of its descriptor the array lies.
void VulkanStream::bind(Batch& batch, Launch& launch, VkDescriptorSet set) {
    const auto& executable = static_cast<const VulkanExecutable&>(*launch.executable);
    std::vector<VkDescriptorBufferInfo> buffers;
    for (std::size_t k = 0; k < launch.buffers.size(); ++k) {
        const auto& buffer = static_cast<const VulkanBuffer&>(*launch.buffers[k]);
        const DescribedRange range(core_, buffer.allocation(), launch.offsets[k],
                                   buffer.bytes() - launch.offsets[k]);
        std::memcpy(launch.arguments.data() + launch.pointer_fields[k], &range.before, sizeof range.before);
        buffers.push_back(range.info);
    }
    const u32 bytes = static_cast<u32>(launch.arguments.size());
    if (bytes > core_.physical().info.target.max_parameter_bytes) {
        const u64 at = put_parameters(batch, launch);
        buffers.push_back(DescribedRange(core_, batch.parameters->allocation(), at, bytes).info);
    } else if (bytes != 0) {
        core_.vk.vkCmdPushConstants(batch.commands, executable.layout(), VK_SHADER_STAGE_COMPUTE_BIT, 0,
                                    bytes, launch.arguments.data());
    }
    if (buffers.empty()) return;
    VkWriteDescriptorSet write{VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
    std::vector<VkWriteDescriptorSet> writes(buffers.size(), write);
    for (u32 k = 0; k < writes.size(); ++k) {
        writes[k].dstSet = set;
        writes[k].dstBinding = k;
        writes[k].descriptorCount = 1;
        writes[k].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
        writes[k].pBufferInfo = &buffers[k];
    }
    core_.vk.vkUpdateDescriptorSets(core_.device, static_cast<u32>(writes.size()), writes.data(), 0, nullptr);
    core_.vk.vkCmdBindDescriptorSets(batch.commands, VK_PIPELINE_BIND_POINT_COMPUTE, executable.layout(), 0,
                                     1, &set, 0, nullptr);
}

void VulkanStream::own(Batch& batch, Launch& launch) noexcept {
    for (BufferRef& buffer : launch.buffers) {
        auto& bound = static_cast<VulkanBuffer&>(*buffer);
        if (!core_.options().retain_bound_buffers || bound.owned_last_by(batch.number)) continue;
        bound.set_owner(batch.number);
        u64 bytes = bound.bytes();
        if (batch.owned.add(std::move(buffer))) batch.owned_bytes += bytes;
    }
}

// ---- the queue

bool VulkanStream::should_flush() {
    return in_flight_.size() < flush_below_in_flight || open_->work >= most_work ||
           open_->owned_bytes >= most_batch_bytes;
}

void VulkanStream::flush() {
    Lock lock(mutex_);
    if (open_ != nullptr) flush_open();
}

void VulkanStream::flush_open() {
    // A batch that fails goes the way of the others: it is freed once those before it have completed.
    in_flight_.push_back(std::move(open_));
    Batch& batch = *in_flight_.back();
    in_flight_bytes_ += batch.owned_bytes;
    VkResult result = send(batch);
    u64 value = batch.value;
    if (result < 0) {
        if (result == VK_ERROR_DEVICE_LOST) core_.lose();
        note_failure(batch, name_of(result));
    }
    flushed_.store(value, std::memory_order_release);
}

void VulkanStream::note_failure(const Batch& batch, std::string_view what) {
    std::string kernels = "a copy";
    if (batch.bound != nullptr) {
        kernels = fmt::format("kernel {}", batch.bound->name());
        if (batch.work > 1) kernels += fmt::format(" and {} launches before it", batch.work - 1);
    }
    failures_[batch.value] = fmt::format("Vulkan: submitting {} failed: {}", kernels, what);
    any_failure_.store(true);
}

VkResult VulkanStream::send(Batch& batch) {
    VkMemoryBarrier to_host{VK_STRUCTURE_TYPE_MEMORY_BARRIER};
    to_host.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    to_host.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
    core_.vk.vkCmdPipelineBarrier(batch.commands,
                                  VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
                                  VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &to_host, 0, nullptr, 0, nullptr);
    VkResult result = core_.vk.vkEndCommandBuffer(batch.commands);
    if (result < 0) return result;
    u64 gate = core_.gate_value();
    VkSemaphore wait = core_.gate();
    VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    VkTimelineSemaphoreSubmitInfo values{VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO};
    values.signalSemaphoreValueCount = 1;
    values.pSignalSemaphoreValues = &batch.value;
    VkSubmitInfo info{VK_STRUCTURE_TYPE_SUBMIT_INFO};
    info.pNext = &values;
    info.commandBufferCount = 1;
    info.pCommandBuffers = &batch.commands;
    info.signalSemaphoreCount = 1;
    info.pSignalSemaphores = &timeline_;
    if (gate != 0) {
        values.waitSemaphoreValueCount = info.waitSemaphoreCount = 1;
        values.pWaitSemaphoreValues = &gate;
        info.pWaitSemaphores = &wait;
        info.pWaitDstStageMask = &stage;
    }
    return core_.submit(info);
}

// ---- completion

u64 VulkanStream::completed_value() const {
    u64 value = 0;
    VkResult result = core_.vk.vkGetSemaphoreCounterValue(core_.device, timeline_, &value);
    if (result == VK_ERROR_DEVICE_LOST) core_.lose();
    u64 known = completed_.load(std::memory_order_relaxed);
    if (result < 0) return known;
    while (known < value && !completed_.compare_exchange_weak(known, value, std::memory_order_release)) {
    }
    return std::max(known, value);
}

// Streams are never made const; the interface is, because asking changes nothing that the caller can see.
bool VulkanStream::reached(u64 value) const {
    if (value <= completed_.load(std::memory_order_acquire)) return true;
    if (value > flushed_.load(std::memory_order_acquire)) const_cast<VulkanStream*>(this)->flush();
    if (completed_value() >= value || core_.lost()) return true;
    if (!any_failure()) return false;
    std::lock_guard lock(mutex_);
    return failures_.contains(value);
}

void VulkanStream::wait(u64 value) const {
    if (!reached(value)) wait_value(value);
    const_cast<VulkanStream*>(this)->collect();
    throw_if_failed(value);
}

void VulkanStream::wait_value(u64 value) const {
    VkSemaphoreWaitInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO};
    info.semaphoreCount = 1;
    info.pSemaphores = &timeline_;
    info.pValues = &value;
    // A driver takes tens of microseconds to wake a thread; many kernels are done before that. A software device needs the
    // processor itself.
    if (core_.physical().type != VK_PHYSICAL_DEVICE_TYPE_CPU) {
        auto until = std::chrono::steady_clock::now() + poll_for;
        while (std::chrono::steady_clock::now() < until && !core_.lost())
            if (completed_value() >= value) return;
    }
    VkResult result = VK_TIMEOUT;
    while (result == VK_TIMEOUT && !core_.lost())
        result = core_.vk.vkWaitSemaphores(core_.device, &info, wait_nanoseconds);
    core_.check(result, "waiting for a submission");
}

void VulkanStream::throw_if_failed(u64 value) const {
    // What completed before a loss is good.
    bool lost = core_.lost() && value > completed_.load(std::memory_order_acquire);
    if (!lost && !any_failure()) return;
    std::lock_guard lock(mutex_);
    auto failure = failures_.find(value);
    if (lost) throw DeviceLost(failure != failures_.end() ? failure->second : device_lost);
    if (failure != failures_.end()) throw DeviceError(failure->second);
}

VulkanStream::Batches VulkanStream::take_finished() {
    Batches finished;
    if (in_flight_.empty()) return finished;
    u64 completed = completed_value();
    // Nothing runs on a lost device any more once waiting for it returns, whatever it returns.
    bool lost = core_.lost();
    if (lost) core_.wait_idle();
    while (!in_flight_.empty()) {
        u64 value = in_flight_.front()->value;
        if (value > completed && !failures_.contains(value)) {
            if (!lost) break;
            note_failure(*in_flight_.front(), device_lost);
        }
        finished.emplace_back();
        in_flight_bytes_ -= in_flight_.front()->owned_bytes;
        finished.back() = std::move(in_flight_.front());
        in_flight_.pop_front();
    }
    return finished;
}

void VulkanStream::recycle(Batches finished) {
    if (finished.empty()) return;
    for (const std::unique_ptr<Batch>& batch : finished) batch->clear();
    std::lock_guard lock(mutex_);
    for (std::unique_ptr<Batch>& batch : finished) spare_.push_back(std::move(batch));
}

void VulkanStream::collect() {
    Batches finished;
    {
        std::lock_guard lock(mutex_);
        finished = take_finished();
    }
    recycle(std::move(finished));
}

bool VulkanStream::wait_oldest() {
    u64 oldest = 0;
    {
        std::lock_guard lock(mutex_);
        if (open_ != nullptr) flush_open();
        if (in_flight_.empty()) return false;
        oldest = in_flight_.front()->value;
        if (failures_.contains(oldest)) oldest = 0;
    }
    wait_value(oldest);
    collect();
    return true;
}

void VulkanStream::drain() noexcept {
    try {
        while (wait_oldest()) {
        }
    } catch (const DeviceError&) {
        // Lost: there is nothing left to wait for.
        collect();
    }
}

} // namespace heddle::runtime::vulkan
