#include "frontend/frame_call.h"

namespace heddle::detail {

void Program::run_frame(const FrameCall& call) {
    const FrameArguments arguments(call);
    const SymbolValues symbols(call.symbols, call.frame);
    const bool placed = !call.results.empty() && call.results.front().value()->buffer != nullptr;
    SmallArray<ProgramOutput, 2> outputs(call.results.size());
    for (std::size_t k = 0; placed && k < call.results.size(); ++k) {
        const Value& result = *call.results[k].value();
        outputs[k] = {result.dtype, result.shape, result.buffer, result.offset};
    }
    run(arguments.inputs(), arguments.numbers(), symbols.values, outputs.span());
    for (std::size_t k = 0; !placed && k < call.results.size(); ++k) {
        ProgramOutput& output = outputs[k];
        call.results[k].value()->place(output.dtype, output.shape, std::move(output.buffer), output.offset);
    }
}

} // namespace heddle::detail
