#pragma once
// The unary functions of the math library with a reference for each, as loops over blocks of numbers in every variant:
// what the sweep over all floats and the stratified tests share.

#include <array>
#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>

namespace heddle::tests {

/// `native`: fused, with quotients by a device's reciprocal, which is an ulp off and knows no subnormals.
enum class Variant { fused, unfused, half, native };
inline constexpr Variant variants[] = {Variant::fused, Variant::unfused, Variant::half, Variant::native};
std::string_view name_of(Variant variant);

struct UnaryFunction {
    std::string_view name;
    void (*f32[std::size(variants)])(std::span<const float>, std::span<float>); ///< by Variant
    void (*f64[2])(std::span<const double>, std::span<double>);                 ///< fused, unfused
    void (*reference)(std::span<const float>,
                      std::span<double>); ///< within 4 units of the last place of a double
};

std::span<const UnaryFunction> unary_functions();
const UnaryFunction* find_unary(std::string_view name);

/// Distance of `got` from `exact` in units of the last place of the float format at `exact`; subnormal numbers have the unit of the
/// smallest normal one, an overflow counts as 2^128. Infinite where one is NaN and the other is not, or zeros differ in sign.
double ulps_between(float got, double exact);
/// |got - exact| / |exact|, less what a subnormal result may lose.
double relative_error(float got, double exact);

/// The largest error over a range of bit patterns, and where it is.
struct Worst {
    double error = 0;
    float at = 0;
    void include(double candidate, float x) {
        if (candidate > error) *this = {candidate, x};
    }
};
/// One for each variant: in ulps, for Variant::half as a relative error.
using WorstOfVariants = std::array<Worst, std::size(variants)>;
/// Patterns first, first + stride, ... up to last, which all variants share, and the reference with them.
WorstOfVariants sweep_patterns(const UnaryFunction& function, std::uint64_t first, std::uint64_t last,
                               std::uint64_t stride);

double inverse_erf(double x);

} // namespace heddle::tests
