#include "tests/math/functions.h"

#include "passes/math/error_function.h"
#include "passes/math/hyperbolic.h"
#include "passes/math/inverse_trigonometric.h"
#include "passes/math/root.h"
#include "passes/math/trigonometric.h"
#include "tests/math/context_host.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#if defined(__AVX512F__) && !defined(HEDDLE_SCALAR_REFERENCES) && defined(__GLIBC__) && __GLIBC_PREREQ(2, 35)
#define HEDDLE_VECTOR_REFERENCE
#include <immintrin.h>
#endif

namespace heddle::tests {

namespace math = passes::math;

std::string_view name_of(Variant variant) {
    switch (variant) {
    case Variant::fused: return "fused";
    case Variant::unfused: return "unfused";
    case Variant::half: return "half";
    case Variant::native: return "native";
    }
    return {};
}

double inverse_erf(double x) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const double a = std::fabs(x);
    if (!(a < 1)) return a == 1 ? x * infinity : std::numeric_limits<double>::quiet_NaN();
    if (a == 0) return x;
    const double w = -std::log1p(-a * a);
    double y = w < 5 ? a * 0.886227 * (1 + 0.13 * w) : std::sqrt(w) - 0.3;
    for (int k = 0; k < 10; ++k) { // Halley's steps on erf, in the tail on erfc
        const double miss = a < 0.5 ? std::erf(y) - a : (1 - a) - std::erfc(y);
        const double step = miss / (1.1283791670955126 * std::exp(-y * y));
        y -= step / (1 + y * step);
    }
    return std::copysign(y, x);
}

#ifdef HEDDLE_VECTOR_REFERENCE
// glibc's vector functions, within 4 ulp of a double: 2^-27 of a float's.
extern "C" {
__m512d _ZGVeN8v_exp(__m512d);
__m512d _ZGVeN8v_exp2(__m512d);
__m512d _ZGVeN8v_expm1(__m512d);
__m512d _ZGVeN8v_log(__m512d);
__m512d _ZGVeN8v_log2(__m512d);
__m512d _ZGVeN8v_log10(__m512d);
__m512d _ZGVeN8v_log1p(__m512d);
__m512d _ZGVeN8v_sin(__m512d);
__m512d _ZGVeN8v_cos(__m512d);
__m512d _ZGVeN8v_tan(__m512d);
__m512d _ZGVeN8v_asin(__m512d);
__m512d _ZGVeN8v_acos(__m512d);
__m512d _ZGVeN8v_atan(__m512d);
__m512d _ZGVeN8v_sinh(__m512d);
__m512d _ZGVeN8v_cosh(__m512d);
__m512d _ZGVeN8v_tanh(__m512d);
__m512d _ZGVeN8v_asinh(__m512d);
__m512d _ZGVeN8v_acosh(__m512d);
__m512d _ZGVeN8v_atanh(__m512d);
__m512d _ZGVeN8v_erf(__m512d);
}
#define HEDDLE_REFERENCE(name)                                                                               \
    [](std::span<const float> in, std::span<double> out) {                                                   \
        std::size_t k = 0;                                                                                   \
        for (; k + 8 <= in.size(); k += 8)                                                                   \
            _mm512_storeu_pd(&out[k], _ZGVeN8v_##name(_mm512_cvtps_pd(_mm256_loadu_ps(&in[k]))));            \
        for (; k < in.size(); ++k) out[k] = std::name(static_cast<double>(in[k]));                           \
    }
#else
#define HEDDLE_REFERENCE(name)                                                                               \
    [](std::span<const float> in, std::span<double> out) {                                                   \
        for (std::size_t k = 0; k < in.size(); ++k) out[k] = std::name(static_cast<double>(in[k]));          \
    }
#endif
#define HEDDLE_SCALAR_REFERENCE(expression)                                                                  \
    [](std::span<const float> in, std::span<double> out) {                                                   \
        for (std::size_t k = 0; k < in.size(); ++k) {                                                        \
            const double x = in[k];                                                                          \
            out[k] = expression;                                                                             \
        }                                                                                                    \
    }

#define HEDDLE_LOOP(T, call, ...)                                                                            \
    [](std::span<const T> in, std::span<T> out) {                                                            \
        for (std::size_t k = 0; k < in.size(); ++k) {                                                        \
            HostContext<T, __VA_ARGS__> c;                                                                   \
            const Real<T> x{in[k]};                                                                          \
            out[k] = (call).v;                                                                               \
        }                                                                                                    \
    }
#define HEDDLE_ROW(name, call, reference)                                                                    \
    UnaryFunction {                                                                                          \
        name,                                                                                                \
            {HEDDLE_LOOP(float, call, true), HEDDLE_LOOP(float, call, false),                                \
             HEDDLE_LOOP(float, call, true, true), HEDDLE_LOOP(float, call, true, false, true)},             \
            {HEDDLE_LOOP(double, call, true), HEDDLE_LOOP(double, call, false)}, reference                   \
    }
#define HEDDLE_FUNCTION(name) HEDDLE_ROW(#name, math::name(c, x), HEDDLE_REFERENCE(name))

std::span<const UnaryFunction> unary_functions() {
    static const std::array functions{
        HEDDLE_FUNCTION(exp),
        HEDDLE_FUNCTION(exp2),
        HEDDLE_FUNCTION(expm1),
        HEDDLE_FUNCTION(log),
        HEDDLE_FUNCTION(log2),
        HEDDLE_FUNCTION(log10),
        HEDDLE_FUNCTION(log1p),
        HEDDLE_FUNCTION(sin),
        HEDDLE_FUNCTION(cos),
        HEDDLE_FUNCTION(tan),
        HEDDLE_FUNCTION(asin),
        HEDDLE_FUNCTION(acos),
        HEDDLE_FUNCTION(atan),
        HEDDLE_FUNCTION(sinh),
        HEDDLE_FUNCTION(cosh),
        HEDDLE_FUNCTION(tanh),
        HEDDLE_FUNCTION(asinh),
        HEDDLE_FUNCTION(acosh),
        HEDDLE_FUNCTION(atanh),
        HEDDLE_FUNCTION(erf),
        HEDDLE_ROW("erfinv", math::erfinv(c, x), HEDDLE_SCALAR_REFERENCE(inverse_erf(x))),
        HEDDLE_ROW("rsqrt", math::rsqrt(c, x), HEDDLE_SCALAR_REFERENCE(1 / std::sqrt(x))),
        HEDDLE_ROW("reciprocal", math::reciprocal(c, x), HEDDLE_SCALAR_REFERENCE(1 / x)),
    };
    return functions;
}

const UnaryFunction* find_unary(std::string_view name) {
    const auto found = std::ranges::find(unary_functions(), name, &UnaryFunction::name);
    return found == unary_functions().end() ? nullptr : &*found;
}

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// The difference, or 0 where nothing is to be measured, or infinity where special values differ. Without branches, to vectorise.
double difference(float got, double exact) {
    const double value = got, limit = 0x1p128;
    const double g = value > limit ? limit : value < -limit ? -limit : value;
    const double e = exact > limit ? limit : exact < -limit ? -limit : exact;
    const bool nan = exact != exact, got_nan = got != got;
    const bool same_zero =
        std::bit_cast<std::uint32_t>(got) == std::bit_cast<std::uint32_t>(static_cast<float>(exact));
    const double measured = exact == 0 ? (same_zero ? 0.0 : infinity) : std::fabs(g - e);
    return nan | got_nan ? (nan & got_nan ? 0.0 : infinity) : measured;
}

/// 2^(exponent of exact - 23), not below the smallest float.
double unit_at(double exact) {
    const double magnitude = std::min(std::fabs(exact), 0x1p127);
    const std::uint64_t exponent = std::bit_cast<std::uint64_t>(magnitude) & 0x7ff0000000000000;
    return std::max(std::bit_cast<double>(exponent) * 0x1p-23, 0x1p-149);
}

} // namespace

double ulps_between(float got, double exact) { return difference(got, exact) / unit_at(exact); }

double relative_error(float got, double exact) {
    const double lost = std::max(difference(got, exact) - 0x1p-149, 0.0);
    return lost / std::max(std::fabs(exact), 0x1p-300);
}

WorstOfVariants sweep_patterns(const UnaryFunction& function, std::uint64_t first, std::uint64_t last,
                               std::uint64_t stride) {
    constexpr std::size_t block = 2048;
    std::array<float, block> in{}, out{};
    std::array<double, block> exact{}, error{};
    WorstOfVariants worst;
    for (std::uint64_t pattern = first; pattern <= last;) {
        std::size_t count = 0;
        for (; count < block && pattern <= last; pattern += stride)
            in[count++] = std::bit_cast<float>(static_cast<std::uint32_t>(pattern));
        function.reference(std::span<const float>(in).first(count), std::span(exact).first(count));
        for (Variant variant : variants) {
            const auto v = static_cast<std::size_t>(variant);
            function.f32[v](std::span(in).first(count), std::span(out).first(count));
            if (variant == Variant::half)
                for (std::size_t k = 0; k < count; ++k) error[k] = relative_error(out[k], exact[k]);
            else
                for (std::size_t k = 0; k < count; ++k) error[k] = ulps_between(out[k], exact[k]);
            double largest = 0;
            for (std::size_t k = 0; k < count; ++k) largest = std::max(largest, error[k]);
            if (largest <= worst[v].error) continue;
            const auto place = std::ranges::find(error, largest) - error.begin();
            worst[v].include(largest, in[static_cast<std::size_t>(place)]);
        }
    }
    return worst;
}

} // namespace heddle::tests
