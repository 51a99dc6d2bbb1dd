#pragma once
// The one interface behind which the interpreter, the CPU and Vulkan stand. A device owns memory (`Buffer`), turns artifacts into
// executables, and runs submissions: lists of launches in order, that own what they bind until they complete.
// Everything here may be used from any thread.

#include "codegen/artifact.h"
#include "ir/target.h"
#include "runtime/spin_lock.h"
#include "support/integers.h"

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace heddle::runtime {

class Device;
class Faults;
class Stream;

/// A point on a stream's timeline. Copyable; cheap; complete or not, never un-complete. A default-made event is complete.
class Event {
public:
    Event() = default;
    Event(std::shared_ptr<Stream> stream, u64 value) : stream_(std::move(stream)), value_(value) {}
    bool complete() const;
    /// Blocks until complete. Throws what the submission failed with.
    void wait() const;
    const std::shared_ptr<Stream>& stream() const { return stream_; }
    u64 value() const { return value_; }
    /// Becomes the other one if that is a point of the same stream.
    bool move_on(const Event& other) {
        if (stream_ == nullptr || stream_ != other.stream_) return false;
        value_ = other.value_;
        return true;
    }

private:
    std::shared_ptr<Stream> stream_;
    u64 value_ = 0;
};

/// Memory on a device. Always held by shared_ptr: nothing can be bound to a launch without an owner. Destroying it gives the
/// memory back to the device's pool, which hands it out again only once no submission uses it.
///
/// It remembers the submissions that use it. Most buffers are used on the stream of the thread that made them, their home: what is noted there
/// takes no lock of its own. All of it is noted apart from other streams' uses, so that threads which read one buffer do not disturb each other.
class Buffer {
public:
    virtual ~Buffer() = default;
    Device& device() const { return *on_; }
    std::size_t bytes() const { return bytes_; }
    /// The memory is somebody else's, who may still read it: no result may take it over.
    bool adopted() const { return adopted_; }
    /// Arrays that lie in this memory. What only one lies in, a result may take over: submissions in flight own the buffer too, but are
    /// ordered before whatever writes to it next.
    void add_array() {
        // Where there is none, nobody else can be making one: arrays are made in what another lies in, or in what is new.
        if (arrays_.load(std::memory_order_relaxed) == 0)
            arrays_.store(1, std::memory_order_relaxed);
        else
            arrays_.fetch_add(1, std::memory_order_relaxed);
    }
    void drop_array() { arrays_.fetch_sub(1, std::memory_order_acq_rel); }
    bool holds_one_array() const { return arrays_.load(std::memory_order_acquire) == 1; }
    /// Where the host sees the memory, or null if it does not. Wait for `written()` before reading.
    virtual std::byte* host() const = 0;
    /// Where the device sees it: a pointer on the CPU, a device address on Vulkan.
    u64 address() const { return address_; }
    /// The submission that wrote it last, and those that read it since: a write waits for both.
    Event written() const;
    void set_written(const Event& event) noexcept;
    void add_read(const Event& event);
    void note_use(const Event& event, bool write) { write ? set_written(event) : add_read(event); }
    std::vector<Event> reads() const;
    /// What an access from `own` waits for on other streams: the last write, and before a write the reads too.
    std::vector<Event> on_other_streams(const Stream* own, bool write) const;
    bool is_at_home(const Stream* own) const { return home_ == own; }
    /// Then no access from `own` waits for other streams.
    bool only_at_home(const Stream* own) const {
        return home_ == own && !elsewhere_.load(std::memory_order_acquire);
    }
    /// As set_written and add_read with the point `value` of the home stream, of which the caller holds the lock.
    void note_at_home(u64 value, bool write) noexcept {
        (write ? home_written_ : home_read_).store(value, std::memory_order_release);
        if (!write) return;
        home_read_.store(0, std::memory_order_relaxed);
        if (elsewhere_.load(std::memory_order_acquire)) forget_elsewhere();
    }
    /// Before its first use: what is in it never outlives a submission. Those that use it still run one after the other, but in any
    /// order, and leave no events in it.
    void set_scratch() {
        scratch_ = true;
        home_ = nullptr;
    }

protected:
    /// `home`: which the device keeps as long as the buffer; null: none.
    Buffer(Device& on, std::size_t bytes, u64 address, Stream* home = nullptr, bool adopted = false)
        : on_(&on), bytes_(bytes), address_(address), home_(home), adopted_(adopted) {}

private:
    Event at_home(u64 value) const;
    void forget_elsewhere() noexcept;

    // What each launch looks at lies together.
    Device* on_;
    std::size_t bytes_;
    u64 address_;
    Stream* home_;
    std::atomic<u64> home_written_{0}, home_read_{0}; ///< 0: not, or another write came since
    std::atomic<u32> arrays_{0};
    bool adopted_;
    bool scratch_ = false;
    std::atomic<bool> elsewhere_{false}; ///< `written_` or `reads_` say something
    mutable SpinLock guard_;             ///< of these two, which are of other streams than the home
    Event written_;
    std::vector<Event> reads_;
};
using BufferRef = std::shared_ptr<Buffer>;

/// Blocks until the host may read the buffer, or write it.
void wait_before_read(const Buffer& buffer);
void wait_before_write(const Buffer& buffer);
/// Throws UsageError unless [offset, offset + bytes) lies in the buffer.
void check_range(const Buffer& buffer, std::size_t offset, std::size_t bytes);

/// An artifact made ready to run on one device.
class Executable {
public:
    virtual ~Executable() = default;
    /// What it can be launched on, where a device asks.
    const void* owner() const { return owner_; }

protected:
    explicit Executable(const void* owner = nullptr) : owner_(owner) {}

private:
    const void* owner_;
};
using ExecutableRef = std::shared_ptr<Executable>;

/// One kernel run. `arguments` is the argument block with every non-pointer parameter filled in; the pointers are patched from
/// `buffers`, which the submission owns from here on.
struct Launch {
    ExecutableRef executable;
    std::vector<BufferRef> buffers; ///< in order of the kernel's pointer parameters
    std::vector<u64> offsets;       ///< bytes into each buffer
    std::vector<u64> extents; ///< Vulkan: bytes that a descriptor shows of each; empty: to the buffer's end
    std::vector<u32> pointer_fields; ///< where each address goes in `arguments`
    std::vector<std::byte> arguments;
    u64 grid[3] = {1, 1, 1};
    i64 grain = 1;               ///< CPU: grid indices worth a task
    u64 scratch_bytes = 0;       ///< CPU: scratch a thread needs
    u64 traffic_bytes = 0;       ///< estimate; small work runs on the calling thread
    bool barrier_before = false; ///< GPU: orders it after the launches since the last barrier
    u32 write_mask = 0;          ///< bit k: buffers[k] is written (k < 32)
    bool rest_is_read = false;   ///< buffers beyond that are not written
    /// Lets go of what it binds.
    void release() {
        executable = nullptr;
        buffers.clear();
    }
    bool writes(std::size_t k) const { return k < 32 ? (write_mask >> k & 1) != 0 : !rest_is_read; }
};

/// A launch without its buffers, of which a device has made ready what it can, to be submitted many times.
class PreparedLaunch {
public:
    virtual ~PreparedLaunch() = default;
};

/// What a launch binds at one of its pointers; of the caller, who owns it during the call.
struct Bound {
    const BufferRef* buffer;
    u64 offset;
    const std::shared_ptr<const void>*
        keeper; ///< whoever owns the buffer takes a share in this; null: in the buffer
    BufferRef share() const { return keeper == nullptr ? *buffer : BufferRef(*keeper, buffer->get()); }
};

/// How often a recording may be launched.
enum class Recorded : u8 { once, often };

/// Whoever keeps device memory only to be faster.
class Keeper {
public:
    virtual ~Keeper() = default;
    /// Lets go of it. Any thread, while none holds a lock of the device. True if there was something.
    virtual bool release_kept() = 0;
};

struct DeviceInfo {
    std::string name;        ///< what the user asks for: "interp", "cpu", "vulkan", "vulkan:1"
    std::string description; ///< the device's own name
    std::string driver;      ///< and its version, where there is one
    std::string notes;       ///< what it does not do: flushed subnormals, missing dtypes
    std::string refused;     ///< why it cannot be opened; empty if it can
    ir::Target target;
    u64 memory_bytes = 0;
};

class Device : public std::enable_shared_from_this<Device> {
public:
    virtual ~Device() = default;
    virtual const DeviceInfo& info() const = 0;
    /// At least 64-byte aligned (256 on Vulkan). Throws OutOfMemory. Zero bytes give a valid buffer.
    virtual BufferRef allocate(std::size_t bytes) = 0;
    /// Takes over host memory; `owner` keeps it alive. A device that cannot address host memory copies.
    virtual BufferRef adopt(std::byte* data, std::size_t bytes, std::shared_ptr<void> owner) = 0;
    /// Host to device and back; ordered after what the buffer's events say. Both return when the host memory is free to use.
    virtual void upload(const BufferRef& to, std::size_t offset, std::span<const std::byte> from) = 0;
    virtual void download(const BufferRef& from, std::size_t offset, std::span<std::byte> to) = 0;
    virtual ExecutableRef load(const codegen::Artifact& artifact) = 0;
    /// Runs the launches in order after everything that their buffers wait for. The result owns every buffer and executable until
    /// it is complete, and takes them out of `launches`. Sets the buffers' events.
    virtual Event submit(std::vector<Launch>&& launches) = 0;
    /// Null where the device knows no shorter way for it than submit(). What `launch` binds is not looked at; nor is `barrier_before`.
    virtual std::unique_ptr<PreparedLaunch> prepare_launch(const Launch&) { return nullptr; }
    /// Does what submit() does with that launch alone, `bound` at its pointers and these arguments, as long as its own were, in which the
    /// addresses are put. Or gives false, nothing having happened: then that is what has to be done.
    virtual bool submit_prepared(const PreparedLaunch&, std::span<const Bound> bound,
                                 std::span<std::byte> arguments);
    /// Whether `record` can.
    virtual bool records() const { return false; }
    /// The launches as one executable, with the addresses and arguments that they have now; to be launched like a kernel, and where it may
    /// be `often`, by several threads at once. A launch of it binds buffers at the addresses of those of `passed`, in that order (UsageError
    /// otherwise), and writes what `passed` writes; that is how accesses are ordered. What else the launches bind the recording owns, and
    /// only it may use: constants, and memory that is scratch. The barrier before the first launch is the caller's.
    virtual ExecutableRef record(std::vector<Launch> launches, const Launch& passed, Recorded use);
    /// `keeper` is asked before an allocation fails, and on trim().
    void add_keeper(std::weak_ptr<Keeper> keeper);
    /// Complete once all is that this thread has submitted so far.
    virtual Event submitted() { return {}; }
    /// Waits for all that was submitted.
    virtual void synchronize() = 0;
    /// For tests: what is submitted from now on does not start until the queue is let go again. False where the device cannot
    /// (it takes no submissions).
    virtual bool hold_queue(bool) { return false; }
    /// For tests: failures to come.
    virtual Faults& faults() = 0;
    /// Gives memory that waits for reuse back to the system.
    virtual void trim() = 0;
    /// Live buffers and bytes handed out, for leak tests.
    virtual u64 live_buffers() const = 0;
    virtual u64 live_bytes() const = 0;

protected:
    /// Asks all keepers. True if there was something.
    bool release_kept();

private:
    std::mutex keepers_mutex_;
    std::vector<std::weak_ptr<Keeper>> keepers_;
};
using DeviceRef = std::shared_ptr<Device>;

/// A timeline of one device. `Event`s point at it.
class Stream : public std::enable_shared_from_this<Stream> {
public:
    virtual ~Stream() = default;
    virtual bool reached(u64 value) const = 0;
    virtual void wait(u64 value) const = 0;
};

} // namespace heddle::runtime
