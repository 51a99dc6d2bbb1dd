#pragma once
// What a `custom` op runs: kernels that the user wrote. The op itself holds what the passes need (operands, result types, sizes, temporaries,
// grid); the code stands in the module, which owns a share of it, under the op's word: the kernel's name and a hash of all
// that is below. So equal words are equal code, and no later kernel can be taken for an earlier one.

#include "ir/function.h"
#include "ir/target.h"

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace heddle::ir {

/// SPIR-V that the user made. docs/custom-kernels.md says what it is called with.
struct CustomSpirv {
    std::vector<u32> words; ///< none: there is no such code
    std::string entry;
    std::array<u32, 3> local{};              ///< invocations of a workgroup along x, y and z
    std::vector<std::string> capabilities{}; ///< that the module declares
    u32 shared_bytes = 0;
};

struct CustomCode {
    std::string name;               ///< the user's
    std::string word;               ///< the `code` attribute of its ops
    std::vector<std::string> sizes; ///< names of the op's `sizes`, in order
    std::vector<Dtype> temporaries; ///< element types
    /// Kernel-level functions; those of one target are variants, of which the last has no condition. Null: none.
    std::unique_ptr<const Module> kernels;
    CustomSpirv spirv;             ///< buffers by address
    CustomSpirv spirv_descriptors; ///< buffers by descriptor

    /// The SPIR-V for a target, null where there is none.
    const CustomSpirv* spirv_for(const Target& target) const;
    /// The kernels for a target, in order.
    std::vector<const Function*> kernels_for(const Target& target) const;
};

/// The code of a `custom` op. UsageError where its module has none: text (.hir) names code, but does not hold it.
const std::shared_ptr<const CustomCode>& custom_code(const Function& function, NodeId node);

} // namespace heddle::ir
