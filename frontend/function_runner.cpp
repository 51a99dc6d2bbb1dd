#include "frontend/function_runner.h"

#include "frontend/context_state.h"

#include <heddle/error.h>

#include <fmt/format.h>

namespace heddle::detail {

FunctionRunner::FunctionRunner(Context& context, std::string_view device, std::unique_ptr<ir::Module> module,
                               std::string_view name, DriverOptions options)
    : device_(context.state()->device(device)) {
    ir::Function* function = module->find(name);
    if (function == nullptr || function->level() != ir::Level::graph)
        throw UsageError(fmt::format("there is no func @{}", name));
    result_count_ = function->results().size();
    std::shared_ptr<void> owner = std::move(module);
    options.name = name;
    program_ = make_program(*context.state(), device_, std::move(owner), *function, options);
}

runtime::BufferRef FunctionRunner::upload(const ir::Tensor& tensor) {
    std::vector<std::byte> bytes(tensor.elements.size() * size_of(tensor.dtype));
    ir::copy_to(tensor, bytes.data());
    runtime::BufferRef buffer = device_->allocate(bytes.size());
    if (!bytes.empty()) device_->upload(buffer, 0, bytes);
    return buffer;
}

std::vector<ir::Tensor> FunctionRunner::run(std::span<const ir::Tensor> inputs, std::span<const u64> numbers,
                                            std::span<const i64> symbols) {
    std::vector<runtime::BufferRef> buffers;
    for (const ir::Tensor& input : inputs) buffers.push_back(upload(input));
    std::vector<ProgramInput> arguments;
    for (const runtime::BufferRef& buffer : buffers) arguments.push_back({&buffer, 0, false});
    std::vector<ProgramOutput> outputs(result_count_);
    program_->run(arguments, numbers, symbols, outputs);
    std::vector<ir::Tensor> results;
    for (const ProgramOutput& output : outputs) {
        std::vector<i64> shape(output.shape.span().begin(), output.shape.span().end());
        std::size_t bytes = size_of(output.dtype);
        for (i64 size : shape) bytes *= static_cast<std::size_t>(size);
        std::vector<std::byte> memory(bytes);
        if (bytes != 0) device_->download(output.buffer, output.offset, memory);
        results.push_back(ir::tensor_from(output.dtype, std::move(shape), memory.data()));
    }
    return results;
}

} // namespace heddle::detail
