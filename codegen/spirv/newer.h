#pragma once
// Enumerants of SPIR-V that Debian 12's headers (of 2023) do not name yet.

#include <spirv/unified1/spirv.hpp>
#include <string_view>

namespace heddle::codegen::spirv {

/// SPV_KHR_bfloat16: `OpTypeFloat 16` with an encoding behind the width. Such values may be loaded, stored, chosen, composed and converted, a bitcast
/// among that; there is no arithmetic on them.
inline constexpr std::string_view bfloat16_extension = "SPV_KHR_bfloat16";
inline constexpr auto capability_bfloat16_type = static_cast<spv::Capability>(5116); ///< BFloat16TypeKHR
inline constexpr unsigned encoding_bfloat16 = 0;                                     ///< BFloat16KHR

} // namespace heddle::codegen::spirv
