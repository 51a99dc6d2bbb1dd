#pragma once
// The host's side of passes/legalise/check_access.h: binds a report to each launch of a checked kernel, and turns what stands in
// it afterwards into an error that names the kernel, the access with its line, the index and the buffer's size.

#include "passes/legalise/check_access.h"
#include "runtime/device.h"

#include <string>
#include <vector>

namespace heddle::detail {

/// What a report's words stand for. Made before the kernel is legalised.
struct CheckedKernel {
    explicit CheckedKernel(const ir::Function& kernel);
    std::string name;
    std::vector<passes::CheckedAccess> accesses;
    std::vector<std::size_t> element_bytes; ///< by pointer parameter
};

/// Reports of the launches of one call.
class AccessReports {
public:
    /// `launch` has all buffers but the report bound; `bytes`: what the kernel may touch of each. `kernel` outlives the call.
    void bind(runtime::Device& device, runtime::Launch& launch, const CheckedKernel& kernel,
              std::span<const u64> bytes);
    /// Waits for the launches. Throws InternalError for the first access outside its buffer.
    void check() const;

private:
    struct Report {
        const CheckedKernel* kernel;
        runtime::BufferRef words;
    };
    std::vector<Report> reports_;
};

} // namespace heddle::detail
