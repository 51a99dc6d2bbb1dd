#include "frontend/compiled.h"

#include "frontend/context_state.h"
#include "frontend/lazy.h"
#include "frontend/location.h"
#include "frontend/size_table.h"
#include "frontend/structure.h"
#include "support/hash.h"
#include "support/numeric.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace heddle::detail {

namespace {

std::atomic<u64> next_number{1};

/// Functions that this thread is inlining, outermost first.
thread_local std::vector<const FunctionState*> inlined;
constexpr std::size_t most_nested = 64;

/// The last call of this thread that was found, by function number: numbers are never used again, so an entry of a function that is
/// gone matches nothing.
struct LastHit {
    u64 function = 0;
    std::vector<u64> key;
    Specialization* specialization = nullptr;
};
thread_local std::array<LastHit, 4> last_hits;
thread_local std::vector<u64> key_room;

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

void FunctionState::make_key(const Frame& frame, runtime::Device& device, std::vector<u64>& key) const {
    key.clear();
    key.push_back(reinterpret_cast<u64>(&device));
    for (std::size_t k = 0; k < frame.size(); ++k) {
        const Operand& operand = frame[k].operand;
        if (!operand.is_array()) {
            key.push_back(u64{1} << 63 | static_cast<u64>(number_dtype(operand)));
            continue;
        }
        const Value& value = *operand.array().value();
        u64 head = static_cast<u64>(value.dtype) << 8 | value.shape.rank;
        if (options_.shapeless) {
            for (u32 axis = 0; axis < value.shape.rank; ++axis)
                head |= u64{value.shape.sizes[axis] == 1} << (32 + axis);
            key.push_back(head);
        } else {
            key.push_back(head);
            for (i64 size : value.shape.span()) key.push_back(static_cast<u64>(size));
        }
    }
    key.push_back(frame.words.size());
    key.insert(key.end(), frame.words.begin(), frame.words.end());
}

Specialization* FunctionState::find(std::span<const u64> key, const Frame& frame) {
    LastHit& last = last_hits[number_ % last_hits.size()];
    if (last.function == number_ && std::ranges::equal(last.key, key) &&
        guards_hold(*last.specialization, frame))
        return last.specialization;
    Specialization* const known = specializations_.find(key, frame);
    if (known == nullptr) return nullptr;
    last.function = 0;
    last.key.assign(key.begin(), key.end());
    last.specialization = known;
    last.function = number_;
    return known;
}

FunctionState::Found FunctionState::find_or_make(std::vector<u64>& key, const Frame& frame,
                                                 runtime::Device& device, TraceeRef tracee) {
    if (Specialization* known = find(key, frame)) return {known, nullptr};
    const std::vector<u64> mine = key; // the room is used again by what the trace calls
    std::unique_lock lock(mutex_);
    for (;;) {
        if (Specialization* known = find(mine, frame)) return {known, nullptr};
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
    made->shared = program_for(std::move(graph), device);
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
    std::array<ProgramInput, 8> few_inputs;
    std::vector<ProgramInput> more_inputs;
    std::array<u64, 8> few_numbers;
    std::vector<u64> more_numbers;
    const std::size_t most = frame.size() + specialization.captured->size();
    if (most > few_inputs.size()) more_inputs.resize(most);
    if (frame.size() > few_numbers.size()) more_numbers.resize(frame.size());
    ProgramInput* const inputs = more_inputs.empty() ? few_inputs.data() : more_inputs.data();
    u64* const numbers = more_numbers.empty() ? few_numbers.data() : more_numbers.data();
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
        inputs[input_count++] = {&value.buffer, value.offset, value.bytes(), donated};
    }
    std::shared_ptr<const void> keeper;
    if (!specialization.captured->empty())
        keeper = std::make_shared<const std::shared_ptr<const void>>(specialization.captured);
    for (const ValueRef& value : *specialization.captured)
        inputs[input_count++] = {&value->buffer, value->offset, value->bytes(), false, &keeper};
    const SymbolValues symbols(specialization.symbols, frame);
    std::array<ProgramOutput, 2> few_outputs;
    std::vector<ProgramOutput> more_outputs;
    if (specialization.outputs > few_outputs.size()) more_outputs.resize(specialization.outputs);
    const std::span<ProgramOutput> outputs =
        more_outputs.empty() ? std::span(few_outputs).first(specialization.outputs) : std::span(more_outputs);
    specialization.shared->program->run({inputs, input_count}, {numbers, number_count}, symbols.values,
                                        outputs);
    auto array = [](ProgramOutput& output) {
        return Array::adopt_value(
            new_concrete(output.dtype, output.shape, std::move(output.buffer), output.offset));
    };
    results.is_single = specialization.is_single;
    results.prototype = specialization.prototype;
    if (specialization.is_single) {
        results.single = array(outputs[0]);
        return;
    }
    for (ProgramOutput& output : outputs) results.arrays.push_back(array(output));
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
    for (std::size_t k = 0; k < frame.size(); ++k)
        if (frame[k].operand.is_array()) make_concrete(frame[k].operand.array(), name_.c_str(), frame.where);
    const Place place = device_for(frame);
    make_key(frame, *place.device, key_room);
    try {
        const Found found = find_or_make(key_room, frame, *place.device, tracee);
        try {
            run(*found.specialization, frame, results);
        } catch (const ShapeError&) { // one of the trace has its place
            rethrow_run_error(name_, frame.where);
        }
    } catch (const DeviceError&) {
        rethrow_run_error(name_, frame.where);
    }
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
