#include "frontend/kernel_program.h"

#include "frontend/context_state.h"
#include "frontend/kernel_program_tune.h"
#include "frontend/parallel.h"
#include "frontend/program_call.h"
#include "frontend/tuner.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>

namespace heddle::detail {

/// The kernel's module goes to the cache; its facts are looked at in every call.
std::unique_ptr<KernelProgram::Lowered> KernelProgram::describe(passes::Kernel&& kernel) const {
    auto made = std::make_unique<Lowered>();
    if (!kernel.function->facts.empty()) {
        made->sizes.emplace(kernel.module->dims);
        made->facts = made->sizes->import(kernel.module->dims, kernel.function->facts);
    }
    for (const auto& [node, bytes] : kernel.function->aligned)
        for (u32 k = 0; k < kernel.function->parameters().size(); ++k)
            if (kernel.function->parameters()[k] == node) made->aligned.emplace_back(k, bytes);
    if (device_->info().target.check_access && kernel.spirv == nullptr)
        made->checked = std::make_unique<CheckedKernel>(*kernel.function);
    if (tuning_ != nullptr) made->digest = KernelCache::digest_of(*device_, kernel);
    made->name = kernel.function->name();
    made->schedule = kernel.schedule;
    made->forced = kernel.forced;
    made->kernel = std::move(kernel);
    return made;
}

KernelProgram::Step KernelProgram::make_step(passes::Step& step) {
    const ir::Dims& dims = plan_.function->module().dims;
    Step made;
    if (!step.variants.empty()) made.name = step.variants.front().name;
    for (const passes::Variant& variant : step.variants) {
        made.variants.push_back(std::make_unique<Variant>());
        made.variants.back()->from = &variant;
        made.variants.back()->needs = table_.import(dims, variant.needs);
    }
    for (ir::DimId extent : step.extents) made.extents.push_back(table_.import(dims, extent));
    made.pointers = step.pointers;
    made.barrier_before = step.barrier_before;
    made.barrier_for_previous = step.barrier_for_previous;
    made.custom = !step.custom.empty();
    made.publishes = step.publishes;
    for (std::size_t k = 0; k < step.written.size() && k < 32; ++k)
        if (step.written[k]) made.write_mask |= u32{1} << k;
    return made;
}

KernelProgram::KernelProgram(ContextState& context, runtime::DeviceRef device, std::shared_ptr<void> owner,
                             passes::Plan plan, const DriverOptions& options)
    : context_(context), device_(std::move(device)), owner_(std::move(owner)), plan_(std::move(plan)),
      options_(options), table_(plan_.function->module().dims),
      when_(table_.import(plan_.function->module().dims, plan_.when)), sizes_(table_.dims()) {
    const bool tunes = options_.tune.value_or(context_.tuner().options().enabled);
    if (tunes && !device_->info().target.check_access) tuning_ = std::make_unique<Tuning>(plan_.steps.size());
    for (passes::Step& step : plan_.steps) steps_.push_back(make_step(step));
    const auto add = [&](ir::DimId size) {
        return sizes_.add(table_.import(plan_.function->module().dims, size));
    };
    for (const passes::Output& output : plan_.outputs) {
        std::vector<u32> shape;
        for (ir::DimId size : output.shape) shape.push_back(add(size));
        output_shapes_.push_back(std::move(shape));
    }
    for (ir::DimId bytes : plan_.temporary_bytes) temporaries_.push_back(add(bytes));
    for (ir::NodeId parameter : plan_.function->parameters())
        if (plan_.function->has(parameter, ir::Key::number))
            number_dtypes_.push_back(plan_.function->dtype(parameter));
    make_constants();
    if (may_record()) {
        recordings_ = std::make_shared<Recordings>();
        device_->add_keeper(recordings_);
    }
    may_make_ready_ = steps_.size() == 1 && temporaries_.empty() && tuning_ == nullptr &&
                      !device_->info().target.check_access &&
                      plan_.function->module().dims.symbol_count() == 0;
    context_.counters.live_programs.fetch_add(1, std::memory_order_relaxed);
}

KernelProgram::~KernelProgram() { context_.counters.live_programs.fetch_sub(1, std::memory_order_relaxed); }

bool KernelProgram::is_for(std::span<const i64> symbols) const {
    return std::ranges::all_of(when_,
                               [&](const ir::Fact& fact) { return table_.dims().holds(fact, symbols); });
}

const KernelProgram::Lowered& KernelProgram::lowered(Variant& variant) const {
    if (const Lowered* known = variant.lowered.load(std::memory_order_acquire)) return *known;
    std::lock_guard lock(variant.making);
    if (const Lowered* known = variant.lowered.load(std::memory_order_acquire)) return *known;
    variant.owned_lowered = describe(plan_.lowering->lower(*variant.from));
    variant.lowered.store(variant.owned_lowered.get(), std::memory_order_release);
    return *variant.owned_lowered;
}

/// What a schedule asks of sizes is looked at first: one whose sizes these are not need not be lowered.
bool KernelProgram::may_run(const Step& step, Variant& variant, const Call& call) const {
    const Lowered* known = variant.lowered.load(std::memory_order_acquire);
    if (known == nullptr) {
        for (const ir::Fact& fact : variant.needs)
            if (!table_.dims().holds(fact, call.symbols)) return false;
        known = &lowered(variant);
    }
    return may_run(step, *known, call);
}

bool KernelProgram::may_run(const Step& step, const Lowered& variant, const Call& call) const {
    bool holds = true;
    for (const ir::Fact& fact : variant.facts)
        holds = holds && variant.sizes->dims().holds(fact, call.symbols);
    for (const auto& [pointer, bytes] : variant.aligned) {
        const passes::Slot slot = step.pointers[pointer];
        // What the program allocates is aligned; an input may be a part of something.
        if (slot.kind == passes::SlotKind::input && call.inputs[slot.index].buffer != nullptr)
            holds =
                holds &&
                ((*call.inputs[slot.index].buffer)->address() + call.inputs[slot.index].offset) % bytes == 0;
    }
    return holds;
}

KernelProgram::Variant& KernelProgram::standard_variant(const Step& step, const Call& call) const {
    for (const std::unique_ptr<Variant>& variant : step.variants)
        if (may_run(step, *variant, call)) return *variant;
    refuse(step, call);
}

KernelProgram::Variant& KernelProgram::choose(const Step& step, const Call& call) const {
    Variant& standard = standard_variant(step, call);
    Variant* const tuned = tuning_ != nullptr ? tuned_variant(step, standard, call) : nullptr;
    return tuned != nullptr ? *tuned : standard;
}

void KernelProgram::refuse(const Step& step, const Call& call) const {
    const std::vector<passes::Kernel> kernels = plan_.lowering->lower_all(plan_.steps[number_of(step)]);
    const ir::Dims& dims = kernels.back().module->dims;
    std::vector<ir::Fact> failed;
    std::ranges::copy_if(kernels.back().function->facts, std::back_inserter(failed),
                         [&](const ir::Fact& fact) { return !dims.holds(fact, call.symbols); });
    const std::string unmet = dims.text(failed);
    if (step.custom)
        throw ShapeError(fmt::format("{}: custom kernel {} is not for these sizes: it asks for {}",
                                     options_.name, step.name, unmet));
    const std::string reason = fmt::format(
        "{}: no kernel is for these sizes; the one for the most asks for {}", options_.name, unmet);
    const runtime::DeviceInfo& device = device_->info();
    // Elsewhere a step's last variant is for all sizes.
    if (device.target.most_iterations == 0) throw InternalError(reason);
    throw DeviceError(
        fmt::format("{}, since the driver of {} leaves loops after {} iterations; run it on another device",
                    reason, device.name, device.target.most_iterations));
}

const PreparedVariant& KernelProgram::ready(Variant& variant) {
    if (const PreparedVariant* known = variant.ready.load(std::memory_order_acquire)) return *known;
    lowered(variant);
    std::lock_guard lock(variant.making);
    if (const PreparedVariant* known = variant.ready.load(std::memory_order_acquire)) return *known;
    passes::Kernel& kernel = variant.owned_lowered->kernel;
    variant.owned_ready = std::make_unique<PreparedVariant>(context_.kernels().get(*device_, kernel));
    variant.ready.store(variant.owned_ready.get(), std::memory_order_release);
    // Nobody asks for it again, be the code its own or an equal kernel's.
    kernel.function = nullptr;
    kernel.module.reset();
    return *variant.owned_ready;
}

void KernelProgram::launch(const Step& step, const Call& call, Encoding& encoding) {
    Variant& chosen = choose(step, call);
    encoding.barrier_pending |=
        step.barrier_before && !(step.barrier_for_previous && encoding.previous_skipped);
    std::optional<runtime::Launch> launch = make_launch(step, ready(chosen), call);
    encoding.previous_skipped = !launch;
    if (!launch) return;
    launch->barrier_before = std::exchange(encoding.barrier_pending, false);
    if (const auto& checked = lowered(chosen).checked)
        bind_report(step, *checked, *launch, call, encoding.reports);
    encoding.launches.push_back(std::move(*launch));
}

std::optional<runtime::Launch> KernelProgram::make_launch(const Step& step, const PreparedVariant& variant,
                                                          const Call& call) const {
    SizeRoom room(variant.sizes.size());
    variant.sizes.evaluate(call.symbols, room.span());
    for (u32 position : variant.grid)
        if (room[position] <= 0) return std::nullopt;
    std::optional<runtime::Launch> made(LaunchRoom::of_thread().take());
    runtime::Launch& launch = *made;
    for (std::size_t k = 0; k < variant.grid.size(); ++k)
        launch.grid[k] = static_cast<u64>(room[variant.grid[k]]);
    launch.executable = variant.kernel->executable;
    launch.grain = variant.kernel->interface.grain;
    launch.scratch_bytes =
        std::max<u64>(variant.kernel->scratch_bytes, static_cast<u64>(room[variant.scratch]));
    launch.write_mask = step.write_mask;
    launch.pointer_fields = variant.pointer_fields;
    launch.arguments = variant.arguments;
    launch.buffers.reserve(step.pointers.size());
    launch.offsets.reserve(step.pointers.size());
    for (const passes::Slot& slot : step.pointers) {
        const auto [buffer, offset] = place_of(slot, call);
        launch.traffic_bytes += (*buffer)->bytes();
        launch.buffers.push_back(runtime::Bound{buffer, offset, keeper_of(slot, call)}.share());
        launch.offsets.push_back(offset);
    }
    if (!device_->info().target.buffer_addresses) show_extents(step, call, launch);
    variant.fill_in(launch.arguments, room.span(), call.numbers, number_dtypes_);
    return made;
}

/// Descriptors that overlap count as accesses that do, for whoever checks accesses.
void KernelProgram::show_extents(const Step& step, const Call& call, runtime::Launch& launch) const {
    for (const passes::Slot& slot : step.pointers) launch.extents.push_back(extent(slot, call));
}

void KernelProgram::bind_report(const Step& step, const CheckedKernel& kernel, runtime::Launch& launch,
                                const Call& call, AccessReports& reports) {
    std::vector<u64> bytes;
    for (const passes::Slot& slot : step.pointers) bytes.push_back(extent(slot, call));
    reports.bind(*device_, launch, kernel, bytes);
}

void KernelProgram::run(std::span<const ProgramInput> inputs, std::span<const u64> numbers,
                        std::span<const i64> symbols, std::span<ProgramOutput> outputs) {
    // By run_frame, which has counted the call and tried the short way.
    const bool placed = !outputs.empty() && outputs.front().buffer != nullptr;
    if (!placed) {
        context_.counters.calls.add(1);
        const ReadyLaunch* const ready = ready_launch_.load(std::memory_order_acquire);
        if (ready != nullptr && run_ready(*ready, inputs, numbers, outputs)) return;
    }
    SizeRoom room(sizes_.size());
    Call call;
    call.inputs = inputs;
    call.numbers = numbers;
    call.symbols = symbols;
    call.outputs = outputs;
    call.sizes = sizes_.values(symbols, room.span());
    if (outputs.empty() || outputs.front().buffer == nullptr) make_outputs(call);
    if (may_make_ready_.load(std::memory_order_relaxed)) make_ready_launch(call);
    run_encoded(call);
}

void KernelProgram::run_encoded(Call& call) {
    if (tuning_ != nullptr && !is_settled(call)) return run_tuning(call);
    Encoding encoding;
    LaunchRoom& launches = LaunchRoom::of_thread();
    if (!replay(call, encoding)) {
        make_temporaries(call);
        if (!encode_shared(call, encoding)) {
            encoding.launches = launches.take_list();
            encoding.launches.reserve(steps_.size());
            for (const Step& step : steps_) launch(step, call, encoding);
        }
    }
    if (!encoding.launches.empty()) {
        device_->submit(std::move(encoding.launches));
        launches.give(std::move(encoding.launches));
    }
    encoding.reports.check();
}

void KernelProgram::prepare(std::span<const i64> symbols) {
    std::vector<ProgramInput> inputs(plan_.function->parameters().size());
    Call call;
    call.inputs = inputs;
    call.symbols = symbols;
    std::vector<Variant*> missing;
    for (const Step& step : steps_) {
        Variant& variant = choose(step, call);
        if (variant.ready.load(std::memory_order_acquire) == nullptr) missing.push_back(&variant);
    }
    run_parallel(missing.size(), [&](std::size_t k) { ready(*missing[k]); });
}

} // namespace heddle::detail
