#pragma once
// Rounding to bf16 as kernels do it (passes/math/bfloat.h), against the definition.

#include <cstdint>

namespace heddle::tests {

/// The bf16 that the math library's expression gives for an f32, both as bits.
std::uint16_t rounded_to_bfloat(std::uint32_t bits);
/// The nearer of the two bf16 around it, the even one where neither is; NaN stays, quiet.
std::uint16_t nearest_bfloat(std::uint32_t bits);
/// In how many of the bit patterns first, ..., last the two differ.
std::uint64_t count_wrong_bfloats(std::uint64_t first, std::uint64_t last);

} // namespace heddle::tests
