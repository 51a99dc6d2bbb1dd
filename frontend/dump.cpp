// Compiled::dump: the function is traced and compiled once more, keeping nothing, and each stage is written as text.

#include "frontend/compiled.h"

#include "frontend/context_state.h"
#include "frontend/kernel_cache.h"
#include "frontend/location.h"
#include "frontend/tuner.h"
#include "ir/printer.h"
#include "passes/pipeline.h"
#include "passes/traffic.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <ostream>

namespace heddle::detail {

namespace {

void dump_kernels(const passes::Plan& plan, std::ostream& out) {
    for (const passes::Step& step : plan.steps)
        for (const passes::Kernel& kernel : plan.lowering->lower_all(step)) {
            if (kernel.schedule) out << "// schedule " << passes::text(*kernel.schedule) << '\n';
            out << ir::print(*kernel.function) << '\n';
        }
}

void dump_code(ContextState& context, runtime::Device& device, const passes::Plan& plan, Stage stage,
               std::ostream& out) {
    for (const passes::Step& step : plan.steps) {
        for (passes::Kernel& kernel : plan.lowering->lower_all(step)) {
            const std::string name = kernel.function->name();
            const KernelTexts texts = context.kernels().texts(device, kernel);
            const std::string& text = stage == Stage::spirv  ? texts.spirv
                                      : stage == Stage::llvm ? texts.llvm
                                                             : texts.assembly;
            if (text.empty())
                throw UsageError(fmt::format("{}: device {} has no such code", name, device.info().name));
            out << "; kernel " << name << '\n' << text << '\n';
        }
    }
}

/// Reports kernels as calls with these sizes run them, where every buffer is aligned.
class Report {
public:
    Report(ContextState& context, const runtime::Device& device, const passes::Plan& plan,
           std::span<const i64> symbols, bool tunes)
        : context_(context), device_(device), plan_(plan), symbols_(symbols), tunes_(tunes) {}

    void kernel(std::size_t number, std::ostream& out) const {
        const passes::Step& step = plan_.steps[number];
        const passes::Kernel standard = standard_variant(step);
        std::optional<passes::Kernel> tuned;
        std::string why = standard.forced ? "forced" : "default";
        if (const auto decided = decision(step, standard)) {
            if (decided->is_tuned()) tuned = plan_.lowering->lower(number, decided->chosen);
            if (tuned && !holds(*tuned)) tuned.reset();
            why = fmt::format("{} ({})", tuned ? "tuned" : "default", decided->reason);
        }
        const passes::Kernel& chosen = tuned ? *tuned : standard;
        const passes::Traffic traffic = passes::traffic_of(*chosen.function, symbols_);
        out << fmt::format(
            "kernel @{}: {} ops, {} buffers, the variant of {} for these sizes, loads {} bytes, "
            "stores {} bytes\n",
            chosen.function->name(), step.operations, step.pointers.size(),
            plan_.lowering->lower_all(step).size(), traffic.loaded, traffic.stored);
        // What only sets memory to zero has no other way.
        if (chosen.schedule) out << fmt::format("  schedule {}: {}\n", text(*chosen.schedule), why);
    }

private:
    bool holds(const passes::Kernel& kernel) const {
        return std::ranges::all_of(kernel.function->facts, [&](const ir::Fact& fact) {
            return kernel.module->dims.holds(fact, symbols_);
        });
    }

    /// As a call finds it.
    passes::Kernel standard_variant(const passes::Step& step) const {
        const ir::Dims& dims = plan_.function->module().dims;
        for (const passes::Variant& variant : step.variants) {
            if (!std::ranges::all_of(variant.needs,
                                     [&](const ir::Fact& fact) { return dims.holds(fact, symbols_); }))
                continue;
            if (passes::Kernel kernel = plan_.lowering->lower(variant); holds(kernel)) return kernel;
        }
        throw InternalError("no variant of a kernel fits the sizes");
    }

    /// The tuner's; null where there is none.
    std::shared_ptr<const TuningRecord> decision(const passes::Step& step,
                                                 const passes::Kernel& standard) const {
        if (!tunes_ || standard.forced || !standard.schedule) return nullptr;
        std::vector<i64> extents;
        for (ir::DimId extent : step.extents)
            extents.push_back(plan_.function->module().dims.evaluate(extent, symbols_));
        const Digest key =
            tuning_key(device_.info(), KernelCache::digest_of(device_, standard), size_bucket(extents));
        return context_.tuner().known(
            key, [&](const TuningRecord& record) { return record.standard == *standard.schedule; });
    }

    ContextState& context_;
    const runtime::Device& device_;
    const passes::Plan& plan_;
    std::span<const i64> symbols_;
    bool tunes_;
};

/// The plan that these sizes run.
const passes::Plan& chosen_plan(std::span<const passes::Plan> plans, std::span<const i64> symbols) {
    for (const passes::Plan& plan : plans) {
        const ir::Dims& dims = plan.function->module().dims;
        if (std::ranges::all_of(plan.when, [&](const ir::Fact& fact) { return dims.holds(fact, symbols); }))
            return plan;
    }
    throw InternalError("no plan of a function fits the sizes");
}

/// Which sizes the plan is for, where there are others.
std::string plan_line(const passes::Plan& plan, std::size_t plans) {
    if (plans == 1) return {};
    return fmt::format("  the plan {}, of {}\n",
                       plan.when.empty() ? "for other sizes"
                                         : "where " + plan.function->module().dims.text(plan.when),
                       plans);
}

void dump_report(const passes::Plan& plan, std::size_t plans, std::size_t operations,
                 std::span<const i64> symbols, const Report& report, std::ostream& out) {
    i64 temporary_bytes = 0;
    for (ir::DimId bytes : plan.temporary_bytes)
        temporary_bytes += plan.function->module().dims.evaluate(bytes, symbols);
    out << fmt::format("{} ops in {} kernels with {} bytes between them\n", operations, plan.steps.size(),
                       temporary_bytes);
    out << plan_line(plan, plans);
    for (std::size_t k = 0; k < plan.steps.size(); ++k) {
        const passes::Step& step = plan.steps[k];
        if (step.custom.empty())
            report.kernel(k, out);
        else
            out << fmt::format("kernel @{}: custom, {} buffers\n", step.custom, step.pointers.size());
    }
    std::vector<ir::NodeId> ends;
    for (const passes::Cut& cut : plan.cuts) ends.insert(ends.end(), {cut.producer, cut.consumer});
    const std::vector<std::string> names = ir::value_names(*plan.function, ends);
    for (std::size_t k = 0; k < plan.cuts.size(); ++k)
        out << fmt::format("not fused: {} -> {}: {}\n", names[2 * k], names[2 * k + 1], plan.cuts[k].reason);
}

} // namespace

void FunctionState::dump(const Frame& frame, TraceeRef tracee, Stage stage, std::ostream& out) {
    context_->check_open(name_);
    if (Trace::current() != nullptr)
        throw TraceError(fmt::format("{}: dump() while '{}' is traced ({})", name_, Trace::current()->name(),
                                     text(frame.where)));
    for (std::size_t k = 0; k < frame.size(); ++k)
        if (frame[k].operand.is_array()) make_concrete(frame[k].operand.array(), name_.c_str(), frame.where);
    const runtime::DeviceRef device = device_for(frame).device->shared_from_this();
    Specialization made(*context_);
    const std::shared_ptr<Graph> graph = trace(frame, device, tracee, made);
    if (stage == Stage::trace) {
        out << ir::print(graph->function) << '\n';
        return;
    }
    if (stage == Stage::graph) {
        for (const passes::SizedFunction& sized : passes::run_graph_passes(graph->function))
            out << ir::print(*sized.function) << '\n';
        return;
    }
    if (device->info().target.kind == ir::TargetKind::interpreter)
        throw UsageError(fmt::format("{}: the interpreter runs the trace itself; it has no kernels ({})",
                                     name_, text(frame.where)));
    const std::size_t operations = ir::live_nodes(graph->function).size();
    const std::vector<passes::Plan> plans = passes::compile_graph(
        graph->function, device->info().target,
        {.fast_math = options_.fast_math, .schedules = passes::parse_forced(options_.schedule)});
    if (stage == Stage::report) {
        const SymbolValues symbols(made.symbols, frame);
        const passes::Plan& plan = chosen_plan(plans, symbols.values);
        const Report report(*context_, *device, plan, symbols.values,
                            options_.tune.value_or(context_->tuner().options().enabled));
        dump_report(plan, plans.size(), operations, symbols.values, report, out);
        return;
    }
    for (const passes::Plan& plan : plans) {
        if (stage == Stage::kernels)
            dump_kernels(plan, out);
        else
            dump_code(*context_, *device, plan, stage, out);
    }
}

void dump(FunctionState& function, const Frame& frame, TraceeRef tracee, Stage stage, std::ostream& out) {
    function.dump(frame, tracee, stage, out);
}

} // namespace heddle::detail
