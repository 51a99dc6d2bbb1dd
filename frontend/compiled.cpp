#include "frontend/compiled.h"

#include "frontend/context_state.h"
#include "frontend/lazy.h"
#include "frontend/location.h"
#include "frontend/size_table.h"
#include "frontend/structure.h"
#include "support/hash.h"
#include "support/numeric.h"
#include "support/small_array.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>

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

/// Functions that this thread is inlining, outermost first.
thread_local std::vector<const FunctionState*> inlined;
constexpr std::size_t most_nested = 64;

/// What a thread needs at every call.
struct CallRoom {
    std::array<LastHit, 4> last_hits; ///< by function number
    std::vector<u64> key;
};
thread_local CallRoom call_room;

/// The words of a call's key, until `put` says that it has enough, or `usable` that an array is none for it.
template <class Usable, class Put>
bool put_key(const Frame& frame, const runtime::Device& device, bool shapeless, Usable usable, Put put) {
    if (!put(reinterpret_cast<u64>(&device))) return false;
    for (std::size_t k = 0; k < frame.size(); ++k) {
        const Operand& operand = frame[k].operand;
        if (!operand.is_array()) {
            if (!put(u64{1} << 63 | static_cast<u64>(number_dtype(operand)))) return false;
            continue;
        }
        if (!usable(operand.array().value())) return false;
        const Value& value = *operand.array().value();
        u64 head = static_cast<u64>(value.dtype) << 8 | value.shape.rank;
        if (shapeless)
            for (u32 axis = 0; axis < value.shape.rank; ++axis)
                head |= u64{value.shape.sizes[axis] == 1} << (32 + axis);
        if (!put(head)) return false;
        if (shapeless) continue;
        for (i64 size : value.shape.span())
            if (!put(static_cast<u64>(size))) return false;
    }
    if (!put(frame.words.size())) return false;
    for (u64 word : frame.words)
        if (!put(word)) return false;
    return true;
}

} // namespace

Dtype number_dtype(const Operand& number) {
    switch (number.kind()) {
    case Operand::Kind::boolean: return Dtype::boolean;
    case Operand::Kind::integer:
    case Operand::Kind::unsigned_integer: return Dtype::i32;
    case Operand::Kind::floating: return Dtype::f32;
    case Operand::Kind::array:
    case Operand::Kind::dim: break;
    }
    throw InternalError("no number");
}

u64 number_bits(const Operand& number, const std::string& function) {
    const Dtype dtype = number_dtype(number);
    if (dtype == Dtype::f32) return bits_of(dtype, number.floating());
    const i64 value = number.integer();
    if (dtype == Dtype::i32 && (value != static_cast<i32>(value)))
        throw DtypeError(fmt::format("{}: number {} does not fit i32; pass an Array ({})", function, value,
                                     text(number.where())));
    return bits_of(dtype, value);
}

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

void FunctionState::make_key(const Frame& frame, const runtime::Device& device, std::vector<u64>& key) const {
    key.clear();
    put_key(
        frame, device, options_.shapeless, [](const Value*) { return true; },
        [&](u64 word) {
            key.push_back(word);
            return true;
        });
}

/// Whether the call is such as the last one that was found: without making anything.
bool FunctionState::repeats(const LastHit& last, const Frame& frame) const {
    if (last.function != number_) return false;
    // Without arrays it runs on the context's default device, which may have changed.
    bool placed = !options_.device.empty();
    const u64* word = last.key.data();
    const u64* const end = word + last.key.size();
    const bool equal = put_key(
        frame, *last.device, options_.shapeless,
        [&](const Value* value) {
            placed = true;
            return value != nullptr && value->now() == State::concrete &&
                   &value->buffer->device() == last.device;
        },
        [&](u64 given) { return word != end && *word++ == given; });
    return equal && placed && word == end && guards_hold(*last.specialization, frame);
}

Specialization* FunctionState::find(std::span<const u64> key, const Frame& frame, runtime::Device& device) {
    Specialization* const known = specializations_.find(key, frame);
    if (known == nullptr) return nullptr;
    LastHit& last = call_room.last_hits[number_ % call_room.last_hits.size()];
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
    SmallArray<ProgramInput, 8> inputs(frame.size() + specialization.captured->size());
    SmallArray<u64, 8> numbers(frame.size());
    SmallArray<ProgramOutput, 2> outputs(specialization.outputs);
    std::size_t input_count = 0, number_count = 0;
    for (std::size_t k = 0; k < frame.size(); ++k) {
        const Leaf& leaf = frame[k];
        if (!leaf.operand.is_array()) {
            numbers[number_count++] = number_bits(leaf.operand, name_);
            continue;
        }
        Value& value = *leaf.operand.array().value();
        // Acquire: what other threads read through handles they have dropped comes before what is written now.
        const bool donated = leaf.donated && value.references.load(std::memory_order_acquire) == 1 &&
                             value.pins.load(std::memory_order_acquire) == 0 &&
                             value.buffer->holds_one_array();
        inputs[input_count++] = {&value.buffer, value.offset, donated};
    }
    std::shared_ptr<const void> keeper;
    if (!specialization.captured->empty())
        keeper = std::make_shared<const std::shared_ptr<const void>>(specialization.captured);
    for (const ValueRef& value : *specialization.captured)
        inputs[input_count++] = {&value->buffer, value->offset, false, &keeper};
    const SymbolValues symbols(specialization.symbols, frame);
    // Before the launch: what is stored behind a submission waits until what the driver wrote has reached the device.
    results.is_single = specialization.is_single;
    if (specialization.is_single)
        results.single = Array::adopt_value(new_value());
    else
        while (results.arrays.size() < specialization.outputs)
            results.arrays.push_back(Array::adopt_value(new_value()));
    try {
        specialization.program->run({inputs.data(), input_count}, {numbers.data(), number_count},
                                    symbols.values, outputs.span());
    } catch (const ShapeError&) { // one of the trace has its place
        rethrow_run_error(name_, frame.where);
    } catch (const DeviceError&) {
        rethrow_run_error(name_, frame.where);
    }
    auto set = [](const Array& result, ProgramOutput& output) {
        result.value()->place(output.dtype, output.shape, std::move(output.buffer), output.offset);
    };
    if (specialization.is_single) {
        set(results.single, outputs[0]);
        return;
    }
    results.prototype = specialization.prototype;
    for (std::size_t k = 0; k < results.arrays.size(); ++k) set(results.arrays[k], outputs[k]);
}

namespace {

/// Pops the inlined function also when it throws.
struct InlineEntry {
    explicit InlineEntry(const FunctionState& function) { inlined.push_back(&function); }
    ~InlineEntry() { inlined.pop_back(); }
};

} // namespace

void FunctionState::inline_call(const Frame& frame, TraceeRef tracee, Results& results) {
    if (static_cast<std::size_t>(std::ranges::count(inlined, this)) >= most_nested)
        throw TraceError(
            fmt::format("{}: the function calls itself without end while it is traced ({} deep) ({})", name_,
                        most_nested, text(frame.where)));
    const InlineEntry entry(*this);
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
    const LastHit& last = call_room.last_hits[number_ % call_room.last_hits.size()];
    if (repeats(last, frame)) {
        run(*last.specialization, frame, results);
        return;
    }
    for (std::size_t k = 0; k < frame.size(); ++k)
        if (frame[k].operand.is_array()) make_concrete(frame[k].operand.array(), name_.c_str(), frame.where);
    const Place place = device_for(frame);
    std::vector<u64>& key = call_room.key;
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
