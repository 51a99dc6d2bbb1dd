#pragma once
// A compiled graph, ready to be called: kernels in order, the sizes they need as expressions over the call's sizes, and where their
// operands live. A call evaluates the sizes, takes one allocation for all temporaries and one for each output, fills in argument
// blocks, and submits. For the interpreter's device a program is the function itself.

#include "frontend/value.h"
#include "ir/function.h"
#include "passes/plan.h"
#include "runtime/device.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace heddle::detail {

class ContextState;
struct FrameCall;

struct ProgramInput {
    const runtime::BufferRef* buffer;
    std::size_t offset;
    bool donated;
    /// Something of this call alone that owns the buffer: what is bound counts there, not at the buffer, for whose count the threads that call
    /// one function would fight. Null: the buffer itself.
    const std::shared_ptr<const void>* keeper;
};

struct ProgramOutput {
    Dtype dtype = Dtype::f32;
    Extents shape;
    runtime::BufferRef buffer;
    std::size_t offset = 0;
};

class Program {
public:
    virtual ~Program() = default;
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    /// `inputs` are the function's array parameters in order, `numbers` the bits of its number parameters, `symbols` the values of its
    /// module's symbols. `outputs` has one entry for each result; a KernelProgram may be given all of them with memory, else none has any. Any
    /// thread may call, also several at once.
    virtual void run(std::span<const ProgramInput> inputs, std::span<const u64> numbers,
                     std::span<const i64> symbols, std::span<ProgramOutput> outputs) = 0;
    /// run() for a compiled function's call (frame_call.h), whose results it places, unless they are placed already.
    virtual void run_frame(const FrameCall& call);
    /// Compiles what a call with these sizes needs.
    virtual void prepare(std::span<const i64> symbols) = 0;

protected:
    Program() = default;
};

struct DriverOptions {
    std::string name;
    bool fast_math = false;
    std::string schedule{};     ///< forced, as CompileOptions::schedule
    std::optional<bool> tune{}; ///< nothing: as the context's tuner says
};

/// `function` is in `owner`'s care, its facts hold for every call. Passes run; kernels are compiled when a call selects them.
std::shared_ptr<Program> make_program(ContextState& context, const runtime::DeviceRef& device,
                                      std::shared_ptr<void> owner, ir::Function& function,
                                      const DriverOptions& options);

} // namespace heddle::detail
