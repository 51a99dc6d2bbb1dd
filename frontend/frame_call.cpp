#include "frontend/frame_call.h"

namespace heddle::detail {

void Program::run_frame(const FrameCall& call) {
    const FrameArguments arguments(call);
    const SymbolValues symbols(call.symbols, call.frame);
    SmallArray<ProgramOutput, 2> outputs(call.results.size());
    for (std::size_t k = 0; k < call.results.size(); ++k)
        if (const Value& result = *call.results[k].value(); result.buffer != nullptr)
            outputs[k] = {result.dtype, result.shape, result.buffer, result.offset};
    run(arguments.inputs(), arguments.numbers(), symbols.values, outputs.span());
    for (std::size_t k = 0; k < call.results.size(); ++k) {
        Value& result = *call.results[k].value();
        ProgramOutput& output = outputs[k];
        if (result.buffer == nullptr)
            result.place(output.dtype, output.shape, std::move(output.buffer), output.offset);
    }
}

} // namespace heddle::detail
