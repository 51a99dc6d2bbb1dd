#include "runtime/vulkan/device.h"

#include "runtime/vulkan/exit.h"
#include "runtime/vulkan/probe.h"

#include <heddle/error.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <fmt/format.h>
#include <utility>

namespace heddle::runtime::vulkan {

namespace {

constexpr u64 staging_chunk = u64{8} << 20;
constexpr std::size_t chunks_ahead = 4; ///< of one copy: staging memory is dear to make and to keep

} // namespace

VulkanDevice::VulkanDevice(const DeviceOptions& options, std::size_t index)
    : core_(std::make_shared<Core>(options, index)), memory_(std::make_shared<Memory>(core_)),
      command_pools_(std::make_shared<CommandPools>(memory_)), info_(core_->physical().info) {
    for (std::size_t i = 0; i < stream_count; ++i)
        streams_.push_back(std::make_shared<VulkanStream>(memory_));
}

VulkanDevice::~VulkanDevice() {
    for (const std::shared_ptr<VulkanStream>& stream : streams_) stream->drain();
}

void VulkanDevice::measure() {
    memory_->main.set_owner(weak_from_this());
    // The probe is given addresses; without them `Fma` counts as not fused.
    if (!info_.target.buffer_addresses) return;
    ProbeResult found = probe(*this);
    synchronize();
    info_.target.fused_fma = found.fused_fma;
    // Kernels ask for those to be kept where the device can; the probe does not.
    info_.target.flushes_subnormals = found.flushes_operands && (info_.target.preserves_subnormals & 2) == 0;
    info_.target.has_bf16_rounding = core_->physical().bfloat16 && info_.target.has_i16_arithmetic &&
                                     rounds_to_bfloat(*this, !found.keeps_subnormals);
    // Where f32 rounds so by itself it is not asked for: some drivers then take it for a wish for exact divisions, which cost.
    if (found.rounds_to_even) info_.target.rounds_to_even &= ~2u;
    info_.notes = notes_of(info_.target, found.keeps_subnormals
                                             ? "f32 subnormals are kept, but the driver does not promise it"
                                             : "f32 subnormals are flushed to zero");
}

constinit thread_local std::size_t VulkanDevice::thread_number_ = 0;

std::size_t VulkanDevice::number_thread() {
    static std::atomic<std::size_t> threads = 0;
    return thread_number_ = threads.fetch_add(1, std::memory_order_relaxed) + 1;
}

void VulkanDevice::collect() {
    for (const std::shared_ptr<VulkanStream>& stream : streams_) stream->collect();
}

// ---- memory

/// Frees what some submission in flight owns. False when nothing is in flight, or tests hold it back.
bool VulkanDevice::wait_for_memory() {
    if (core_->gate_value() != 0) return false;
    bool waited = false;
    for (const std::shared_ptr<VulkanStream>& stream : streams_) waited |= stream->wait_oldest();
    return waited;
}

Allocation VulkanDevice::take(std::size_t bytes) {
    auto fits = [&] { return bytes <= memory_->limit && live_bytes() <= memory_->limit - bytes; };
    MemoryPool& pool = memory_->main;
    collect();
    bool more = true, kept = true;
    while (more) {
        if (fits()) {
            if (std::optional<Allocation> piece = pool.take_idle(bytes)) return *piece;
            if (std::optional<Allocation> piece = pool.take_existing(bytes)) return *piece;
            if (std::optional<Allocation> piece = pool.take_new(bytes)) return *piece;
            // Pieces that wait in other classes may make up a range, or a block for the driver to reuse.
            pool.trim();
            memory_->staging.trim();
            if (std::optional<Allocation> piece = pool.take_existing(bytes)) return *piece;
            if (std::optional<Allocation> piece = pool.take_new(bytes)) return *piece;
        }
        // What is in flight of it comes back while that is waited for.
        if (std::exchange(kept, false) && release_kept()) continue;
        more = wait_for_memory();
    }
    throw OutOfMemory(
        fmt::format("{} bytes of memory were asked for on {}; {} bytes in {} buffers are in use of {}", bytes,
                    info().name, live_bytes(), live_buffers(), memory_->limit));
}

BufferRef VulkanDevice::allocate(std::size_t bytes) {
    if (core_->lost()) {
        collect(); // what other streams had in flight is nobody's any more
        throw DeviceLost(device_lost);
    }
    if (core_->faults().allocation_fails())
        throw OutOfMemory(
            fmt::format("{} bytes of memory were asked for on {}, and a test said that there are none", bytes,
                        info().name));
    // What is idle is no more than what there is.
    std::optional<Allocation> idle;
    if (memory_->main.reserved_bytes() <= memory_->limit) idle = memory_->main.take_idle(bytes);
    const Allocation piece = idle ? *idle : take(bytes);
    try {
        return std::make_shared<VulkanBuffer>(*this, *memory_, bytes, piece, &stream());
    } catch (const std::bad_alloc&) {
        (void)memory_->main.give(piece, bytes);
        throw;
    }
}

BufferRef VulkanDevice::adopt(std::byte* data, std::size_t bytes, std::shared_ptr<void>) {
    BufferRef buffer = allocate(bytes);
    upload(buffer, 0, {data, bytes});
    return buffer;
}

StagingRef VulkanDevice::take_staging(u64 bytes) {
    StagingRef piece = try_take_staging(memory_, bytes);
    while (piece == nullptr && wait_for_memory()) piece = try_take_staging(memory_, bytes);
    if (piece == nullptr)
        throw OutOfMemory(
            fmt::format("no memory for a copy of {} bytes between host and {}", bytes, info().name));
    return piece;
}

void VulkanDevice::trim() {
    release_kept();
    collect();
    command_pools_->trim();
    memory_->main.trim();
    memory_->staging.trim();
}

std::shared_ptr<VulkanBuffer> VulkanDevice::own_buffer(const BufferRef& buffer) const {
    if (buffer == nullptr || &buffer->device() != this)
        throw UsageError(fmt::format("a buffer of another device was given to {}", info().name));
    return std::static_pointer_cast<VulkanBuffer>(buffer);
}

// ---- copies

void VulkanDevice::upload(const BufferRef& to, std::size_t offset, std::span<const std::byte> from) {
    std::shared_ptr<VulkanBuffer> buffer = own_buffer(to);
    check_range(*buffer, offset, from.size());
    if (from.empty()) return;
    if (!core_->physical().unified) return upload_staged(buffer, offset, from);
    wait_before_write(*buffer);
    std::memcpy(buffer->allocation().host() + offset, from.data(), from.size());
    memory_->main.flush(buffer->allocation(), offset, from.size());
}

void VulkanDevice::download(const BufferRef& from, std::size_t offset, std::span<std::byte> to) {
    std::shared_ptr<VulkanBuffer> buffer = own_buffer(from);
    check_range(*buffer, offset, to.size());
    if (to.empty()) return;
    if (!core_->physical().unified) return download_staged(buffer, offset, to);
    wait_before_read(*buffer);
    memory_->main.invalidate(buffer->allocation(), offset, to.size());
    std::memcpy(to.data(), buffer->allocation().host() + offset, to.size());
}

void VulkanDevice::upload_staged(const std::shared_ptr<VulkanBuffer>& to, std::size_t offset,
                                 std::span<const std::byte> from) {
    VulkanStream& own = stream();
    order_after_others(*to, own, true);
    std::deque<Event> pending;
    for (u64 done = 0; done < from.size();) {
        if (pending.size() >= chunks_ahead) {
            pending.front().wait();
            pending.pop_front();
        }
        u64 bytes = std::min<u64>(staging_chunk, from.size() - done);
        StagingRef staging = take_staging(bytes);
        std::memcpy(staging->allocation().host(), from.data() + done, bytes);
        memory_->staging.flush(staging->allocation(), 0, bytes);
        StagedCopy copy{to, std::move(staging), offset + done, bytes, true};
        pending.push_back(own.copy(copy));
        if (bytes == staging_chunk) own.flush();
        done += bytes;
    }
}

void VulkanDevice::download_staged(const std::shared_ptr<VulkanBuffer>& from, std::size_t offset,
                                   std::span<std::byte> to) {
    struct Pending {
        Event event;
        StagingRef staging;
        u64 at, bytes;
    };
    std::deque<Pending> pending;
    VulkanStream& own = stream();
    order_after_others(*from, own, false);
    auto finish_first = [&] {
        Pending first = std::move(pending.front());
        pending.pop_front();
        first.event.wait();
        memory_->staging.invalidate(first.staging->allocation(), 0, first.bytes);
        std::memcpy(to.data() + first.at, first.staging->allocation().host(), first.bytes);
    };
    for (u64 done = 0; done < to.size();) {
        u64 bytes = std::min<u64>(staging_chunk, to.size() - done);
        StagingRef staging = take_staging(bytes);
        StagedCopy copy{from, staging, offset + done, bytes, false};
        pending.push_back({own.copy(copy), std::move(staging), done, bytes});
        own.flush();
        done += bytes;
        if (pending.size() >= chunks_ahead) finish_first();
    }
    while (!pending.empty()) finish_first();
}

// ---- kernels

ExecutableRef VulkanDevice::load(const codegen::Artifact& artifact) {
    if (core_->faults().allocation_fails())
        throw OutOfMemory(
            fmt::format("kernel {}: a test said that there is no memory for it", artifact.name));
    return std::make_shared<VulkanExecutable>(core_, artifact);
}

void VulkanDevice::check_launch(const Launch& launch) const {
    // What belongs to this core is a command.
    if (launch.executable == nullptr || launch.executable->owner() != core_.get())
        throw UsageError(fmt::format("a kernel of another device was launched on {}", info().name));
    const auto* command = static_cast<const VulkanCommand*>(launch.executable.get());
    if (const VulkanRecording* recording = command->recording()) {
        if (const std::string why = recording->objection(launch); !why.empty())
            throw UsageError(
                fmt::format("a recording of kernel {} cannot be launched: {}", command->name(), why));
    } else {
        check_kernel(static_cast<const VulkanExecutable&>(*command), launch);
    }
}

void VulkanDevice::check_kernel(const VulkanExecutable& kernel, const Launch& launch) const {
    auto refuse = [&](const std::string& why) {
        throw UsageError(fmt::format("kernel {} cannot be launched: {}", kernel.name(), why));
    };
    if (launch.arguments.size() != kernel.parameter_bytes() || launch.arguments.size() % 4 != 0)
        refuse(fmt::format("its argument block has {} bytes, not {}", launch.arguments.size(),
                           kernel.parameter_bytes()));
    if (launch.buffers.size() != launch.offsets.size() ||
        launch.buffers.size() != launch.pointer_fields.size())
        refuse("buffers, offsets and pointer fields differ in number");
    if (!launch.extents.empty() && launch.extents.size() != launch.buffers.size())
        refuse("buffers and extents differ in number");
    for (std::size_t k = 0; k < launch.buffers.size(); ++k) {
        const BufferRef& buffer = launch.buffers[k];
        if (buffer == nullptr || &buffer->device() != this)
            refuse(fmt::format("buffer {} is not on {}", k, info().name));
        if (launch.offsets[k] > buffer->bytes())
            refuse(fmt::format("the offset into buffer {} is outside it", k));
        if (!launch.extents.empty() && launch.extents[k] > buffer->bytes() - launch.offsets[k])
            refuse(fmt::format("the extent of buffer {} ends outside it", k));
        const PhysicalDevice& physical = core_->physical();
        if (!info_.target.buffer_addresses &&
            buffer->bytes() - launch.offsets[k] + physical.descriptor_alignment >
                physical.max_descriptor_bytes)
            refuse(fmt::format("buffer {} has {} bytes, a descriptor of {} shows {}", k, buffer->bytes(),
                               info().name, physical.max_descriptor_bytes));
        if (launch.pointer_fields[k] + sizeof(u64) > launch.arguments.size())
            refuse(fmt::format("the field of buffer {} is outside the argument block", k));
    }
    for (int axis = 0; axis < 3; ++axis)
        if (launch.grid[axis] > core_->physical().max_grid[axis])
            refuse(fmt::format("{} blocks along axis {}, the device takes {}", launch.grid[axis], axis,
                               core_->physical().max_grid[axis]));
}

void VulkanDevice::order_after_others(const Buffer& buffer, const VulkanStream& own, bool write) const {
    for (const Event& event : buffer.on_other_streams(&own, write)) {
        auto other = dynamic_cast<VulkanStream*>(event.stream().get());
        if (other == nullptr || &other->core() != core_.get()) {
            event.wait();
            continue;
        }
        other->flush();
        other->throw_if_failed(event.value());
    }
    // What a failed submission was to write is not there to be used.
    if (Event written = own.any_failure() ? buffer.written() : Event(); written.stream().get() == &own)
        own.throw_if_failed(written.value());
}

Event VulkanDevice::submit(std::vector<Launch>&& launches) {
    if (launches.empty()) return {};
    for (const Launch& launch : launches) check_launch(launch);
    VulkanStream& own = stream();
    for (const Launch& launch : launches)
        for (std::size_t k = 0; k < launch.buffers.size(); ++k)
            order_after_others(*launch.buffers[k], own, launch.writes(k));
    try {
        const Event event = own.submit(launches);
        for (Launch& launch : launches) launch.release(); // what was owned already
        return event;
    } catch (const DeviceLost&) {
        collect();
        throw;
    }
}

std::unique_ptr<PreparedLaunch> VulkanDevice::prepare_launch(const Launch& launch) {
    Launch unbound = launch;
    unbound.buffers.clear();
    unbound.offsets.clear();
    unbound.pointer_fields.clear();
    unbound.extents.clear();
    check_launch(unbound);
    const std::size_t pointers = launch.pointer_fields.size();
    if (pointers > PreparedKernel::most_pointers || !RecordedKernel::fits(launch, *core_)) return nullptr;
    for (u32 field : launch.pointer_fields)
        if (field + sizeof(u64) > launch.arguments.size()) return nullptr;
    return std::make_unique<PreparedKernel>(launch);
}

bool VulkanDevice::submit_prepared(const PreparedLaunch& launch, std::span<const Bound> bound,
                                   std::span<std::byte> arguments) {
    const auto& kernel = static_cast<const PreparedKernel&>(launch);
    if (bound.size() != kernel.pointers || arguments.size() != kernel.bytes) return false;
    VulkanStream& own = stream();
    bool all_at_home = true;
    for (std::size_t k = 0; k < bound.size(); ++k) {
        const Buffer* const buffer = bound[k].buffer->get();
        if (buffer == nullptr || &buffer->device() != this || bound[k].offset > buffer->bytes()) return false;
        all_at_home &= buffer->only_at_home(&own);
        const u64 address = buffer->address() + bound[k].offset;
        std::memcpy(arguments.data() + kernel.fields[k], &address, sizeof address);
    }
    if (!all_at_home || own.any_failure())
        for (std::size_t k = 0; k < bound.size(); ++k)
            order_after_others(**bound[k].buffer, own, kernel.writes(k));
    try {
        return own.repeat(kernel, bound, arguments, all_at_home);
    } catch (const DeviceLost&) {
        collect();
        throw;
    }
}

ExecutableRef VulkanDevice::record(std::vector<Launch> launches, const Launch& passed, Recorded use) {
    if (launches.empty()) throw UsageError("a recording of no launches");
    if (core_->lost()) throw DeviceLost(device_lost);
    for (const Launch& launch : launches) {
        check_launch(launch);
        if (static_cast<const VulkanCommand&>(*launch.executable).recording() != nullptr)
            throw UsageError("a recording holds kernels, not other recordings");
    }
    return std::make_shared<VulkanRecording>(command_pools_, std::move(launches), passed, use);
}

void VulkanDevice::synchronize() {
    for (const std::shared_ptr<VulkanStream>& stream : streams_) stream->drain();
    if (core_->lost()) throw DeviceLost(device_lost);
}

void VulkanDevice::finish() noexcept {
    std::array<Event, stream_count> last;
    for (std::size_t k = 0; k < stream_count; ++k)
        if (streams_[k]->is_used()) last[k] = streams_[k]->submitted();
    for (const Event& event : last) try {
            event.wait();
        } catch (const std::exception&) {
            // It has failed, or the device is lost: either way nothing of it runs.
        }
    core_->wait_idle(); // a driver's threads have more to do than to signal the end
}

bool VulkanDevice::hold_queue(bool held) {
    core_->hold(held);
    return true;
}

// ---- names

std::vector<DeviceInfo> list_devices(const DeviceOptions& options) {
    std::vector<DeviceInfo> infos;
    try {
        Instance instance(options);
        for (PhysicalDevice& device : describe_all(instance, options))
            infos.push_back(std::move(device.info));
    } catch (const DeviceError&) {
        // No loader, no driver, or one that is too old: opening a device says which.
    }
    return infos;
}

DeviceRef open_device(const DeviceOptions& options, std::size_t index) {
    auto device = std::make_shared<VulkanDevice>(options, index);
    device->measure();
    finish_at_exit(device); // after the probes, for which drivers make more of what they need
    return device;
}

} // namespace heddle::runtime::vulkan
