#include "frontend/program.h"

#include "frontend/context_state.h"
#include "frontend/kernel_program.h"
#include "ir/interpreter.h"
#include "passes/pipeline.h"

#include <heddle/error.h>

#include <cstring>

namespace heddle::detail {

namespace {

/// The function itself, run by the interpreter.
class InterpretedProgram final : public Program {
public:
    InterpretedProgram(ContextState& context, runtime::DeviceRef device, std::shared_ptr<void> owner,
                       const ir::Function& function)
        : context_(context), device_(std::move(device)), owner_(std::move(owner)), function_(function) {
        context_.counters.live_programs.fetch_add(1, std::memory_order_relaxed);
    }
    ~InterpretedProgram() override {
        context_.counters.live_programs.fetch_sub(1, std::memory_order_relaxed);
    }

    void run(std::span<const ProgramInput> inputs, std::span<const u64> numbers, std::span<const i64> symbols,
             std::span<ProgramOutput> outputs) override {
        context_.counters.calls.add(1);
        std::vector<ir::Tensor> tensors;
        std::vector<ir::NodeId> arrays;
        for (ir::NodeId parameter : function_.parameters()) {
            if (function_.has(parameter, ir::Key::number)) continue;
            const ProgramInput& input = inputs[arrays.size()];
            std::vector<i64> shape;
            for (ir::DimId size : function_.shape(parameter))
                shape.push_back(function_.module().dims.evaluate(size, symbols));
            runtime::wait_before_read(**input.buffer);
            tensors.push_back(ir::tensor_from(function_.dtype(parameter), std::move(shape),
                                              (*input.buffer)->host() + input.offset));
            arrays.push_back(parameter);
        }
        const std::vector<ir::Tensor> results = ir::interpret(function_, tensors, numbers);
        for (std::size_t k = 0; k < results.size(); ++k) give(results[k], k, arrays, inputs, outputs[k]);
    }
    void prepare(std::span<const i64>) override {}

private:
    void give(const ir::Tensor& result, std::size_t k, std::span<const ir::NodeId> arrays,
              std::span<const ProgramInput> inputs, ProgramOutput& output) {
        output.dtype = result.dtype;
        output.shape.rank = static_cast<u32>(result.shape.size());
        for (u32 axis = 0; axis < output.shape.rank; ++axis) output.shape.sizes[axis] = result.shape[axis];
        // A result that is an input is that input.
        for (std::size_t input = 0; input < arrays.size(); ++input) {
            if (arrays[input] != function_.results()[k]) continue;
            output.buffer = *inputs[input].buffer;
            output.offset = inputs[input].offset;
            return;
        }
        output.buffer = device_->allocate(static_cast<std::size_t>(result.count()) * size_of(result.dtype));
        output.offset = 0;
        if (result.count() != 0) ir::copy_to(result, output.buffer->host());
    }

    ContextState& context_;
    runtime::DeviceRef device_;
    std::shared_ptr<void> owner_;
    const ir::Function& function_;
};

/// One program for each range of sizes that the passes tell apart.
class SizedProgram final : public Program {
public:
    explicit SizedProgram(std::vector<std::unique_ptr<KernelProgram>> parts) : parts_(std::move(parts)) {}

    void run(std::span<const ProgramInput> inputs, std::span<const u64> numbers, std::span<const i64> symbols,
             std::span<ProgramOutput> outputs) override {
        part_for(symbols).run(inputs, numbers, symbols, outputs);
    }
    void prepare(std::span<const i64> symbols) override { part_for(symbols).prepare(symbols); }

private:
    KernelProgram& part_for(std::span<const i64> symbols) const {
        for (const auto& part : parts_)
            if (part->is_for(symbols)) return *part;
        throw InternalError("the last plan of a function is for any sizes");
    }

    std::vector<std::unique_ptr<KernelProgram>> parts_;
};

} // namespace

std::shared_ptr<Program> make_program(ContextState& context, const runtime::DeviceRef& device,
                                      std::shared_ptr<void> owner, ir::Function& function,
                                      const DriverOptions& options) {
    context.counters.programs.fetch_add(1, std::memory_order_relaxed);
    const ir::Target& target = device->info().target;
    std::vector<passes::ForcedSchedule> schedules = passes::parse_forced(options.schedule);
    // The interpreter has no kernels to choose one for; a text that names none is refused there too.
    if (target.kind == ir::TargetKind::interpreter)
        return std::make_shared<InterpretedProgram>(context, device, std::move(owner), function);
    // All plans are made before any of them runs: they share a module, which making one adds to.
    std::vector<passes::Plan> plans = passes::compile_graph(
        function, target, {.fast_math = options.fast_math, .schedules = std::move(schedules)});
    std::vector<std::unique_ptr<KernelProgram>> parts;
    for (passes::Plan& plan : plans)
        parts.push_back(std::make_unique<KernelProgram>(context, device, owner, std::move(plan), options));
    if (parts.size() == 1) return std::move(parts.front());
    return std::make_shared<SizedProgram>(std::move(parts));
}

} // namespace heddle::detail
