#include "frontend/compiled.h"

#include "frontend/context_state.h"
#include "frontend/frame_call.h"
#include "frontend/lazy.h"
#include "frontend/location.h"
#include "frontend/number_argument.h"
#include "frontend/size_table.h"
#include "frontend/structure.h"
#include "support/hash.h"
#include "support/per_thread.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>

namespace heddle::detail {

/// The last call of a thread that was found: numbers of functions are never used again, so that of one that is gone is no other's.
struct LastHit {
    u64 function = 0;
    runtime::Device* device = nullptr;
    Specialization* specialization = nullptr;
    std::vector<u64> key;
};

namespace {

std::atomic<u64> next_number{1};

constexpr std::size_t most_nested = 64;

/// What a thread needs at every call.
struct CallRoom {
    std::array<LastHit, 4> last_hits; ///< by function number
    std::vector<u64> key;
    std::vector<const FunctionState*> inlined; ///< functions that the thread is inlining, outermost first
};

LastHit& last_hit(u64 function) {
    CallRoom& room = per_thread<CallRoom>();
    return room.last_hits[function % room.last_hits.size()];
}

/// Of a key: what it says of a number, and of an array before its sizes.
u64 key_word(const Operand& number) { return u64{1} << 63 | static_cast<u64>(number_dtype(number)); }
u64 key_word(const Value& array, bool shapeless) {
    u64 word = static_cast<u64>(array.dtype) << 8 | array.shape.rank;
    if (shapeless)
        for (u32 axis = 0; axis < array.shape.rank; ++axis)
            word |= u64{array.shape.sizes[axis] == 1} << (32 + axis);
    return word;
}

} // namespace

FunctionState::FunctionState(std::string name, const CompileOptions& options)
    : number_(next_number.fetch_add(1)), name_(std::move(name)), options_(options),
      context_(current_state()) {}

FunctionState::~FunctionState() = default;

FunctionCounters FunctionState::counters() const {
    std::lock_guard lock(mutex_);
    return {traces_.load(), specializations_.size(), specializations_.guard_misses()};
}

/// The one that the options name, which stays the same.
runtime::Device& FunctionState::own_device(const Frame& frame) {
    if (runtime::Device* const known = own_device_.load(std::memory_order_acquire)) return *known;
    runtime::DeviceRef opened = context_->device(options_.device, name_, frame.where);
    std::lock_guard lock(mutex_);
    if (opened_ == nullptr) opened_ = std::move(opened);
    own_device_.store(opened_.get(), std::memory_order_release);
    return *opened_;
}

FunctionState::Place FunctionState::device_for(const Frame& frame) {
    runtime::Device* device = options_.device.empty() ? nullptr : &own_device(frame);
    for (std::size_t k = 0; k < frame.size(); ++k) {
        if (!frame[k].operand.is_array()) continue;
        runtime::Device& own = frame[k].operand.array().value()->buffer->device();
        if (device == nullptr) device = &own;
        if (device != &own)
            throw UsageError(fmt::format("{}: argument {} is on device {}, not {}; move it with to() ({})",
                                         name_, k, own.info().name, device->info().name, text(frame.where)));
    }
    if (device != nullptr) return {device};
    runtime::DeviceRef standard = context_->device({}, name_, frame.where);
    device = standard.get();
    return {device, std::move(standard)};
}

/// The device, how many arguments, each of them; then how many words the frame has, and those.
void FunctionState::make_key(const Frame& frame, const runtime::Device& device, std::vector<u64>& key) const {
    key.assign({reinterpret_cast<u64>(&device), frame.size()});
    for (std::size_t k = 0; k < frame.size(); ++k) {
        const Operand& operand = frame[k].operand;
        if (!operand.is_array()) {
            key.push_back(key_word(operand));
            continue;
        }
        const Value& value = *operand.array().value();
        key.push_back(key_word(value, options_.shapeless));
        if (options_.shapeless) continue;
        for (i64 size : value.shape.span()) key.push_back(static_cast<u64>(size));
    }
    key.push_back(frame.words.size());
    key.insert(key.end(), frame.words.begin(), frame.words.end());
}

/// Whether the call is such as the last one that was found, without making its key. It reads the words as make_key puts them: as long as they are
/// equal, so are the places of those that follow, and none is beyond the end.
bool FunctionState::repeats(const LastHit& last, const Frame& frame) const {
    if (last.function != number_) return false;
    const u64* word = last.key.data() + 1;
    if (*word++ != frame.size()) return false;
    // Without arrays it runs on the context's default device, which may have changed.
    bool placed = !options_.device.empty();
    for (std::size_t k = 0; k < frame.size(); ++k) {
        const Operand& operand = frame[k].operand;
        if (!operand.is_array()) {
            if (*word++ != key_word(operand)) return false;
            continue;
        }
        const Value* const value = operand.array().value();
        if (value == nullptr || value->now() != State::concrete || &value->buffer->device() != last.device)
            return false;
        placed = true;
        if (*word++ != key_word(*value, options_.shapeless)) return false;
        if (options_.shapeless) continue;
        for (i64 size : value->shape.span())
            if (*word++ != static_cast<u64>(size)) return false;
    }
    if (!placed || *word++ != frame.words.size()) return false;
    for (u64 known : frame.words)
        if (*word++ != known) return false;
    assert(word == last.key.data() + last.key.size());
    return guards_hold(*last.specialization, frame);
}

Specialization* FunctionState::find(std::span<const u64> key, const Frame& frame, runtime::Device& device) {
    Specialization* const known = specializations_.find(key, frame);
    if (known == nullptr) return nullptr;
    LastHit& last = last_hit(number_);
    last.function = 0;
    last.key.assign(key.begin(), key.end());
    last.device = &device;
    last.specialization = known;
    last.function = number_;
    return known;
}

FunctionState::Found FunctionState::find_or_make(std::vector<u64>& key, const Frame& frame,
                                                 runtime::Device& device, TraceeRef tracee) {
    if (Specialization* known = find(key, frame, device)) return {known, nullptr};
    const std::vector<u64> mine = key; // the room is used again by what the trace calls
    std::unique_lock lock(mutex_);
    for (;;) {
        if (Specialization* known = find(mine, frame, device)) return {known, nullptr};
        const auto other =
            std::ranges::find_if(pending_, [&](const auto& entry) { return entry->key == mine; });
        if (other == pending_.end()) break;
        // A handle of its own: the entry goes from the list while this thread waits.
        const std::shared_ptr<Pending> waited = *other; // NOLINT(performance-unnecessary-copy-initialization)
        compiled_.wait(lock, [&] { return waited->done; });
        if (waited->failure) std::rethrow_exception(waited->failure);
    }
    const auto pending = std::make_shared<Pending>();
    pending->key = mine;
    pending_.push_back(pending);
    lock.unlock();
    Found found;
    try {
        found.own = make(frame, device.shared_from_this(), tracee);
        found.specialization = found.own.get();
    } catch (...) {
        pending->failure = std::current_exception();
    }
    lock.lock();
    try {
        if (found.own != nullptr && specializations_.size() < context_->options().specializations)
            specializations_.publish(mine, std::move(found.own));
    } catch (...) {
        pending->failure = std::current_exception();
    }
    pending->done = true;
    std::erase(pending_, pending);
    lock.unlock();
    compiled_.notify_all();
    if (pending->failure) std::rethrow_exception(pending->failure);
    return found;
}

std::shared_ptr<Graph> FunctionState::trace(const Frame& frame, const runtime::DeviceRef& device,
                                            TraceeRef tracee, Specialization& made) {
    const auto trace = std::make_shared<Trace>(
        context_,
        TraceOptions{name_, options_.shapeless, options_.shapeless && options_.strict, device, frame.where});
    traces_.fetch_add(1, std::memory_order_relaxed);
    context_->counters.traces.fetch_add(1, std::memory_order_relaxed);
    const Trace::Entry entered(*trace);
    Results results;
    try {
        std::vector<Array> leaves;
        for (std::size_t k = 0; k < frame.size(); ++k) {
            const Operand& operand = frame[k].operand;
            leaves.push_back(operand.is_array() ? trace->add_array(operand.array().value()->dtype,
                                                                   operand.array().value()->shape)
                                                : trace->add_number(number_dtype(operand)));
        }
        tracee(leaves, results);
    } catch (...) {
        results = {};
        trace->abandon();
        throw;
    }
    made.is_single = results.is_single;
    made.prototype = std::move(results.prototype);
    if (results.is_single) results.arrays.push_back(std::move(results.single));
    made.outputs = static_cast<u32>(results.arrays.size());
    made.symbols = trace->symbols();
    try {
        return trace->close(results.arrays);
    } catch (...) {
        results = {};
        trace->abandon();
        throw;
    }
}

std::unique_ptr<Specialization> FunctionState::make(const Frame& frame, const runtime::DeviceRef& device,
                                                    TraceeRef tracee) {
    auto made = std::make_unique<Specialization>(*context_);
    made->device = device;
    std::shared_ptr<Graph> graph = trace(frame, device, tracee, *made);
    made->captured = std::make_shared<const std::vector<ValueRef>>(std::move(graph->inputs));
    graph->known_inputs.clear();
    try {
        made->shared = program_for(std::move(graph), device);
    } catch (const UsageError& error) { // a schedule of the options, a custom kernel's code
        throw UsageError(fmt::format("{}: {} ({})", name_, error.what(), text(frame.where)));
    }
    made->program = made->shared->program.get();
    made->is_guarded = !made->shared->facts.empty();
    const SymbolValues symbols(made->symbols, frame);
    try {
        made->shared->program->prepare(symbols.values);
    } catch (const ShapeError&) {
        rethrow_run_error(name_, frame.where);
    }
    return made;
}

std::shared_ptr<const SharedProgram> FunctionState::known_program(u64 hash,
                                                                  const std::vector<u64>& key) const {
    auto [first, last] = programs_.equal_range(hash);
    for (; first != last; ++first)
        if (first->second->key == key) return first->second;
    return nullptr;
}

std::shared_ptr<const SharedProgram> FunctionState::program_for(std::shared_ptr<Graph> graph,
                                                                const runtime::DeviceRef& device) {
    auto made = std::make_shared<SharedProgram>();
    made->key.push_back(reinterpret_cast<u64>(device.get()));
    append_structure(graph->function, made->key);
    const u64 hash = hash_span<u64>(0, made->key);
    {
        std::lock_guard lock(mutex_);
        if (auto known = known_program(hash, made->key)) return known;
    }
    // What is known of given sizes follows from their signature.
    if (options_.shapeless) {
        SizeTable sizes(graph->module.dims);
        made->facts = sizes.import(graph->module.dims, graph->function.facts);
        made->dims = sizes.take();
        made->pins = pins_of(made->dims, made->facts);
    }
    made->program = make_program(*context_, device, graph, graph->function,
                                 {name_, options_.fast_math, options_.schedule, options_.tune});
    made->graph = std::move(graph);
    // Another signature's first call may have made the same meanwhile.
    std::lock_guard lock(mutex_);
    if (auto known = known_program(hash, made->key)) return known;
    if (specializations_.size() < context_->options().specializations) programs_.emplace(hash, made);
    return made;
}

void FunctionState::run(const Specialization& specialization, const Frame& frame, Results& results) {
    std::shared_ptr<const void> keeper;
    if (!specialization.captured->empty())
        keeper = std::make_shared<const std::shared_ptr<const void>>(specialization.captured);
    // Before the launch: what is stored behind a submission waits until what the driver wrote has reached the device.
    results.is_single = specialization.is_single;
    if (specialization.is_single)
        results.single = Array::adopt_value(new_value());
    else
        while (results.arrays.size() < specialization.outputs)
            results.arrays.push_back(Array::adopt_value(new_value()));
    const FrameCall call{name_,
                         frame,
                         specialization.symbols,
                         *specialization.captured,
                         keeper != nullptr ? &keeper : nullptr,
                         specialization.is_single ? std::span<const Array>(&results.single, 1)
                                                  : std::span<const Array>(results.arrays)};
    try {
        specialization.program->run_frame(call);
    } catch (const ShapeError&) { // one of the trace has its place
        rethrow_run_error(name_, frame.where);
    } catch (const DeviceError&) {
        rethrow_run_error(name_, frame.where);
    }
    if (!specialization.is_single) results.prototype = specialization.prototype;
}

namespace {

/// Pops the inlined function also when it throws.
struct InlineEntry {
    InlineEntry(std::vector<const FunctionState*>& to, const FunctionState& function) : inlined(to) {
        inlined.push_back(&function);
    }
    ~InlineEntry() { inlined.pop_back(); }
    InlineEntry(const InlineEntry&) = delete;
    InlineEntry& operator=(const InlineEntry&) = delete;
    std::vector<const FunctionState*>& inlined;
};

} // namespace

void FunctionState::inline_call(const Frame& frame, TraceeRef tracee, Results& results) {
    std::vector<const FunctionState*>& inlined = per_thread<CallRoom>().inlined;
    if (static_cast<std::size_t>(std::ranges::count(inlined, this)) >= most_nested)
        throw TraceError(
            fmt::format("{}: the function calls itself without end while it is traced ({} deep) ({})", name_,
                        most_nested, text(frame.where)));
    const InlineEntry entry(inlined, *this);
    Trace& trace = *Trace::current();
    std::vector<Array> leaves;
    for (std::size_t k = 0; k < frame.size(); ++k) {
        const Operand& operand = frame[k].operand;
        if (operand.is_array())
            leaves.push_back(operand.array());
        else
            leaves.push_back(trace.constant(number_dtype(operand), number_bits(operand, name_)));
    }
    tracee(leaves, results);
}

void FunctionState::call(const Frame& frame, TraceeRef tracee, Results& results) {
    if (Trace::current() != nullptr) {
        inline_call(frame, tracee, results);
        return;
    }
    context_->check_open(name_);
    const LastHit& last = last_hit(number_);
    if (repeats(last, frame)) {
        run(*last.specialization, frame, results);
        return;
    }
    for (std::size_t k = 0; k < frame.size(); ++k)
        if (frame[k].operand.is_array()) make_concrete(frame[k].operand.array(), name_.c_str(), frame.where);
    const Place place = device_for(frame);
    std::vector<u64>& key = per_thread<CallRoom>().key;
    make_key(frame, *place.device, key);
    Found found;
    try {
        found = find_or_make(key, frame, *place.device, tracee);
    } catch (const DeviceError&) {
        rethrow_run_error(name_, frame.where);
    }
    run(*found.specialization, frame, results);
}

std::shared_ptr<FunctionState> make_function(std::string name, const CompileOptions& options) {
    return std::make_shared<FunctionState>(std::move(name), options);
}

void call(FunctionState& function, const Frame& frame, TraceeRef tracee, Results& results) {
    function.call(frame, tracee, results);
}

FunctionCounters counters(const FunctionState& function) { return function.counters(); }
const std::string& name_of(const FunctionState& function) { return function.name(); }

} // namespace heddle::detail
