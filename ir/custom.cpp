#include "ir/custom.h"

#include "ir/kernel_builder.h"

#include <heddle/error.h>

#include <fmt/format.h>

namespace heddle::ir {

const CustomSpirv* CustomCode::spirv_for(const Target& target) const {
    if (target.kind != TargetKind::gpu) return nullptr;
    const CustomSpirv& code = target.buffer_addresses ? spirv : spirv_descriptors;
    return code.words.empty() ? nullptr : &code;
}

std::vector<const Function*> CustomCode::kernels_for(const Target& target) const {
    std::vector<const Function*> result;
    if (kernels == nullptr) return result;
    for (const auto& kernel : kernels->functions)
        if (kernel_info(*kernel).target == target.kind) result.push_back(kernel.get());
    return result;
}

const std::shared_ptr<const CustomCode>& custom_code(const Function& function, NodeId node) {
    const Module& module = function.module();
    const std::string_view word = module.words[WordId{static_cast<u32>(function.integer(node, Key::code))}];
    const auto found = module.customs.find(word);
    if (found == module.customs.end())
        throw UsageError(fmt::format("@{}: the code of custom kernel {} is not here: only the program that "
                                     "registered it can run it",
                                     function.name(), word));
    return found->second;
}

} // namespace heddle::ir
