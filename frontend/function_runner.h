#pragma once
// A graph function, as text or a pass made it, on a device: compiled once, then run on host tensors. What the tool and tests of the IR use
// where no trace is at hand; compiled functions take the same road from `make_program` on.

#include "frontend/program.h"
#include "ir/interpreter.h"

#include <heddle/context.h>

#include <string_view>

namespace heddle::detail {

class FunctionRunner {
public:
    /// Opens the device (a name as for `heddle devices`) and compiles @name of the module, which is used up; the options' name is that. Throws UsageError for an
    /// unknown device or function, DeviceError for a device that cannot be opened.
    FunctionRunner(Context& context, std::string_view device, std::unique_ptr<ir::Module> module,
                   std::string_view name, DriverOptions options = {});

    /// `inputs` are the array parameters in order, `numbers` the bits of the number parameters, `symbols` the values of the symbols (see
    /// ir::bind_symbols, which checks the shapes; nothing is checked here). Waits for the results.
    std::vector<ir::Tensor> run(std::span<const ir::Tensor> inputs, std::span<const u64> numbers,
                                std::span<const i64> symbols);

    const runtime::DeviceInfo& device() const { return device_->info(); }

private:
    runtime::BufferRef upload(const ir::Tensor& tensor);

    std::size_t result_count_ = 0;
    runtime::DeviceRef device_;
    std::shared_ptr<Program> program_;
};

} // namespace heddle::detail
