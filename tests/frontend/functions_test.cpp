// What <heddle/functions.h> has for those who come from NumPy, on each device beside values that are written out.

#include "device_fixture.h"

#include <heddle/error.h>

#include <limits>

using namespace heddle;
using namespace heddle::tests;

namespace {

class Functions : public DeviceTest {};

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan_f32 = std::numeric_limits<float>::quiet_NaN();

constexpr Dtype float_dtypes[] = {Dtype::f16, Dtype::bf16, Dtype::f32, Dtype::f64};

TEST_P(Functions, full_like_takes_shape_and_dtype) {
    const Array halves = zeros({2, 1}, Dtype::f16);
    expect(full_like(halves, 2.5), {2.5, 2.5}, "[2, 1]");
    EXPECT_EQ(full_like(halves, 2.5).dtype(), Dtype::f16);
    EXPECT_EQ(full_like(halves, 7, Dtype::i64).dtype(), Dtype::i64);
    expect(full_like(zeros({3}, Dtype::i32), Array(4.75f)), {4, 4, 4}, "[3]");
    expect(full_like(zeros({0, 3}), 1), {}, "[0, 3]");
}

TEST_P(Functions, averages_have_weights) {
    const Array a{{1.f, 2.f, 3.f}, {4.f, 5.f, 12.f}};
    expect(average(a, Array{1.f, 1.f, 2.f}, -1), {2.25, 8.25}, "[2]");
    expect(average(a, Array{{1.f}, {3.f}}, 0, true), {3.25, 4.25, 9.75}, "[1, 3]");
    expect(average(a, 2), {4.5}, "[]");
    expect(average(Array{1, 2}, Array{3, 1}), {1.25}, "[]");
    expect(average(a, 0, 1), {nan_f32, nan_f32}, "[2]");
    EXPECT_EQ(average(cast(a, Dtype::f16), 1).dtype(), Dtype::f16);
}

TEST_P(Functions, ptp_is_the_largest_less_the_smallest) {
    const Array a{{3, -5, 4}, {0, 0, 0}};
    expect(ptp(a, 1), {9, 0}, "[2]");
    expect(ptp(a), {9}, "[]");
    expect(ptp(Array{1.f, nan_f32}, 0, true), {nan_f32}, "[1]");
}

TEST_P(Functions, statistics_that_pass_over_nan) {
    const Array a{{1.f, nan_f32, 3.f}, {nan_f32, nan_f32, nan_f32}, {-infinity, 2.f, nan_f32}};
    expect(nan_sum(a, 1), {4, 0, -infinity}, "[3]");
    expect(nan_mean(a, 1, true), {2, nan_f32, -infinity}, "[3, 1]");
    expect(nan_max(a, 1), {3, nan_f32, 2}, "[3]");
    expect(nan_min(a, 1), {1, nan_f32, -infinity}, "[3]");
    expect(nan_max(Array{nan_f32, -infinity}), {-infinity}, "[]");
    expect(nan_max(Array{1, 5}) + nan_min(Array{1, 5}) + nan_sum(Array{1, 5}), {12}, "[]");
    expect(nan_mean(Array{1, 4}), {2.5}, "[]");
    for (Dtype dtype : float_dtypes) {
        EXPECT_EQ(nan_mean(cast(a, dtype)).dtype(), dtype);
        EXPECT_EQ(nan_max(cast(a, dtype)).dtype(), dtype);
    }
}

TEST_P(Functions, reductions_of_empty_axes_are_what_the_header_says) {
    const Array none = zeros({2, 0});
    expect(sum(none, 1), {0, 0}, "[2]");
    expect(prod(none, 1), {1, 1}, "[2]");
    expect(max(none, 1), {-infinity, -infinity}, "[2]");
    expect(min(none, 1), {infinity, infinity}, "[2]");
    expect(mean(none, 1), {nan_f32, nan_f32}, "[2]");
    expect(max(zeros({0}, Dtype::i32)), {-2147483648.0}, "[]");
    expect(min(zeros({0}, Dtype::u8)), {255}, "[]");
    expect(max(zeros({0}, Dtype::boolean)), {0}, "[]");
    expect(all(none, 1), {1, 1}, "[2]");
    expect(any(none), {0}, "[]");
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { argmax(none, 1); }), "argmax"));
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { argmin(none); }), "of no elements"));
    expect(argmax(none, 0), {}, "[0]");
}

TEST_P(Functions, fmax_and_fmin_prefer_numbers_to_nan) {
    const Array a{1.f, nan_f32, 3.f, nan_f32, -infinity}, b{2.f, 5.f, nan_f32, nan_f32, 0.f};
    expect(fmax(a, b), {2, 5, 3, nan_f32, 0}, "[5]");
    expect(fmin(a, b), {1, 5, 3, nan_f32, -infinity}, "[5]");
    expect(fmax(Array{1, 5}, 3), {3, 5}, "[2]");
    EXPECT_EQ(fmin(Array{1, 5}, 3).dtype(), Dtype::i32);
    expect(fmax(a, 0), {1, 0, 3, 0, 0}, "[5]");
}

TEST_P(Functions, signs_are_bits) {
    const Array a{1.f, -1.f, 0.f, -0.f, infinity, -infinity, nan_f32, -nan_f32};
    for (Dtype dtype : float_dtypes) {
        const Array x = cast(a, dtype).eval();
        expect(signbit(slice(x, 0, {0, 6})), {0, 1, 0, 1, 0, 1}, "[6]");
        expect(copysign(x, -2.f), {-1, -1, 0, 0, -infinity, -infinity, nan_f32, nan_f32}, "[8]");
        EXPECT_EQ(copysign(x, -2.f).dtype(), dtype);
        expect(reciprocal(copysign(zeros({2}, dtype), Array{1.f, -0.f})), {infinity, -infinity}, "[2]");
    }
    expect(signbit(Array{nan_f32, -nan_f32}), {0, 1}, "[2]");
    expect(signbit(Array{3, -3, 0}), {0, 1, 0}, "[3]");
    expect(signbit(full({1}, 200, Dtype::u8)), {0}, "[1]");
    expect(copysign(Array{3, -3}, Array{-1.f, 1.f}), {-3, 3}, "[2]");
}

TEST_P(Functions, fmod_and_divmod) {
    const Array a{7.f, -7.f, 7.f, -7.f, 5.5f, infinity, 1.f, -0.f, 1e30f},
        b{3.f, 3.f, -3.f, -3.f, infinity, 2.f, 0.f, 1.f, 7.f};
    std::vector<double> wanted;
    const std::vector<float> left = floats(a), right = floats(b);
    for (std::size_t k = 0; k < left.size(); ++k) wanted.push_back(std::fmod(left[k], right[k]));
    expect(fmod(a, b), wanted, "[9]", 0);
    // Those of element 5 and 6 are NaN, whose sign means nothing.
    expect(signbit(take(fmod(a, b), Array{0, 1, 2, 3, 4, 7, 8})), {0, 1, 0, 1, 0, 1, 0}, "[7]");
    expect(fmod(Array{7, -7, 7, 5}, Array{3, 3, -3, 0}), {1, -1, 1, 0}, "[4]");
    const auto [quotient, rest] = divmod(Array{7.f, -7.f, 7.f}, Array{3.f, 3.f, -3.f});
    expect(quotient, {2, -3, -3}, "[3]");
    expect(rest, {1, 2, -2}, "[3]");
}

TEST_P(Functions, a_number_beside_an_array_is_of_its_dtype) {
    const Array x{2.f, -4.f};
    for (Dtype dtype : float_dtypes) {
        const Array y = cast(x, dtype);
        for (const Array& result : {fmod(-7.0, y), fmod(y, 3.0), hypot(3.0, y), hypot(y, 3),
                                    lerp(0.0, 1.0, y), lerp(y, 1, 0.5), heaviside(0.0, y)})
            EXPECT_EQ(result.dtype(), dtype);
        expect(fmod(-7.0, y), {-1, -3}, "[2]");
        expect(lerp(0.0, 2.0, y), {4, -8}, "[2]");
        expect(heaviside(0.0, y), {2, -4}, "[2]");
    }
    expect(fmod(true, Array{true, false}), {0, 0}, "[2]");
}

TEST_P(Functions, remainders_of_a_number_by_many) {
    // Quotients beyond 2^22 take the long way.
    std::vector<double> divisors, floored, truncated;
    for (int k = 1; k < 40; ++k) {
        divisors.push_back((k % 2 == 0 ? 1.5 : -0.75) * k);
        truncated.push_back(std::fmod(12345679.0, divisors.back()));
        const double rest = truncated.back();
        floored.push_back(rest != 0 && divisors.back() < 0 ? rest + divisors.back() : rest);
    }
    const Array b = cast(Array::from(divisors), Dtype::f32);
    expect(12345679.0f % b, floored, "[39]", 0);
    expect(fmod(12345679.0f, b), truncated, "[39]", 0);
}

TEST_P(Functions, what_is_empty_is_rolled_and_tiled) {
    expect(roll(zeros({0, 3}), 1, 0), {}, "[0, 3]");
    expect(roll(zeros({2, 0}), -7, 1), {}, "[2, 0]");
    expect(tile(Array{1, 2}, {0}), {}, "[0]");
    expect(tile(Array{1, 2}, {3, 0}), {}, "[3, 0]");
    const auto rolled = compile("rolled", [](Array x) { return roll(x, 1, 0); }, {.shapeless = true});
    for (int twice = 0; twice < 2; ++twice) {
        expect(rolled(Array{1, 2, 3}), {3, 1, 2}, "[3]");
        expect(rolled(zeros({0})), {}, "[0]");
    }
    EXPECT_EQ(rolled.traces(), 2u) << "one for i32, one for f32";
    const auto summed = compile("summed", [](Array x) { return sum(roll(x, 5, 1), 1); }, {.shapeless = true});
    expect(summed(ones({2, 3})), {3, 3}, "[2]");
    expect(summed(zeros({2, 0})), {0, 0}, "[2]");
}

TEST_P(Functions, wrong_axes_are_found_in_the_caller_s_line) {
    const Array x = ones({3});
    for (const std::string& message :
         {message_of<ShapeError>([&] { roll(x, 1, 7); }), message_of<ShapeError>([&] { diff(x, 1, 7); }),
          message_of<ShapeError>([&] { diagonal(x); }),
          message_of<ShapeError>([&] { pad(x, {{Dim(0), Dim(0), -1}}); })})
        EXPECT_TRUE(contains(message, "functions_test.cpp"));
}

TEST_P(Functions, heaviside_is_a_step) {
    const Array a{-infinity, -2.f, -0.f, 0.f, 3.f, nan_f32};
    for (Dtype dtype : float_dtypes) {
        expect(heaviside(cast(a, dtype), 0.5), {0, 0, 0.5, 0.5, 1, nan_f32}, "[6]");
        EXPECT_EQ(heaviside(cast(a, dtype), 0.5).dtype(), dtype);
    }
    expect(heaviside(Array{-1, 0, 1}, 0.5), {0, 0.5, 1}, "[3]");
}

TEST_P(Functions, nan_to_num_gives_finite_numbers) {
    const Array a{nan_f32, infinity, -infinity, -3.5f};
    struct Row {
        Dtype dtype;
        double largest;
    };
    const Row rows[] = {
        {Dtype::f16, 65504}, {Dtype::bf16, 0x1.FEp127}, {Dtype::f32, std::numeric_limits<float>::max()}};
    for (const Row& row : rows) {
        const Array x = cast(a, row.dtype);
        expect(nan_to_num(x), {0, row.largest, -row.largest, -3.5}, "[4]", 0);
        EXPECT_EQ(nan_to_num(x).dtype(), row.dtype);
    }
    expect(nan_to_num(a, 1, 2, 3), {1, 2, 3, -3.5}, "[4]");
    EXPECT_EQ(nan_to_num(cast(a, Dtype::f64)).to_vector<double>()[2], -std::numeric_limits<double>::max());
    expect(nan_to_num(Array{3, -1}), {3, -1}, "[2]");
}

TEST_P(Functions, angles) {
    const double pi = std::acos(-1.0);
    expect(radians(Array{180.f, -90.f, 0.f}), {pi, -pi / 2, 0}, "[3]");
    expect(degrees(Array{static_cast<float>(pi), 1.f}), {180, 180 / pi}, "[2]");
    EXPECT_EQ(degrees(Array{1}).dtype(), Dtype::f32);
    EXPECT_EQ(radians(zeros({1}, Dtype::bf16)).dtype(), Dtype::bf16);
}

TEST_P(Functions, array_equal_compares_shapes_too) {
    const Array a{1.f, 2.f};
    EXPECT_TRUE(array_equal(a, a + 0.f).item<bool>());
    EXPECT_FALSE(array_equal(a, Array{1.f, 3.f}).item<bool>());
    EXPECT_FALSE(array_equal(a, Array{1.f}).item<bool>());
    EXPECT_FALSE(array_equal(a, reshape(a, {1, 2})).item<bool>());
    EXPECT_FALSE(array_equal(Array{nan_f32}, Array{nan_f32}).item<bool>());
    EXPECT_TRUE(array_equal(zeros({0}), zeros({0})).item<bool>());
}

TEST_P(Functions, differences) {
    const Array a{{1.f, 4.f, 9.f, 16.f}, {0.f, -1.f, 1.f, -1.f}};
    expect(diff(a), {3, 5, 7, -1, 2, -2}, "[2, 3]");
    expect(diff(a, 2), {2, 2, 3, -4}, "[2, 2]");
    expect(diff(a, 1, 0), {-1, -5, -8, -17}, "[1, 4]");
    expect(diff(a, 0), {1, 4, 9, 16, 0, -1, 1, -1}, "[2, 4]");
    expect(diff(a, 3, 0), {}, "[0, 4]");
    expect(diff(Array{true, false, false}), {1, 0}, "[2]");
    expect(diff(full({2}, 7, Dtype::u8)), {0}, "[1]");
    EXPECT_TRUE(
        contains(message_of<ShapeError>([&] { diff(a, -1); }), "diff: order -1 (functions_test.cpp:"));
    const auto f = compile("d", [](Array v) { return diff(v, 2, 0); }, {.shapeless = true});
    expect(f(Array{1.f, 2.f, 4.f, 8.f}), {1, 2}, "[2]");
    expect(f(ones({7})), {0, 0, 0, 0, 0}, "[5]");
    expect(f(ones({1})), {}, "[0]");
}

TEST_P(Functions, diagonal_matrices) {
    const Array v{1.f, 2.f};
    expect(diag(v), {1, 0, 0, 2}, "[2, 2]");
    expect(diag(v, 1), {0, 1, 0, 0, 0, 2, 0, 0, 0}, "[3, 3]");
    expect(diag(v, -1), {0, 0, 0, 1, 0, 0, 0, 2, 0}, "[3, 3]");
    expect(diag(Array{3, 1 << 30}), {3, 0, 0, 1 << 30}, "[2, 2]");
    expect(diag(Array{nan_f32, infinity}), {nan_f32, 0, 0, infinity}, "[2, 2]");
    expect(diagonal(diag(v, -2), -2), {1, 2}, "[2]");
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { diag(ones({2, 2})); }),
                         "diag: a vector is needed, given rank 2"));
}

TEST_P(Functions, grids_of_points) {
    const Array x{1.f, 2.f, 3.f}, y{10.f, 20.f};
    const std::vector<Array> points = meshgrid({x, y});
    expect(points[0], {1, 2, 3, 1, 2, 3}, "[2, 3]");
    expect(points[1], {10, 10, 10, 20, 20, 20}, "[2, 3]");
    const std::vector<Array> ordered = meshgrid({x, y}, true);
    expect(ordered[0], {1, 1, 2, 2, 3, 3}, "[3, 2]");
    expect(ordered[1], {10, 20, 10, 20, 10, 20}, "[3, 2]");
    EXPECT_EQ(meshgrid({x, y, zeros({5}, Dtype::i8)})[2].shape().text(), "[2, 3, 5]");
    EXPECT_EQ(meshgrid({x, y, zeros({5}, Dtype::i8)})[2].dtype(), Dtype::i8);
    expect(meshgrid({x})[0], {1, 2, 3}, "[3]");
    expect(meshgrid({zeros({0}), y})[1], {}, "[2, 0]");
    EXPECT_TRUE(meshgrid({}).empty());
}

TEST_P(Functions, products_of_vectors_and_tensors) {
    const Array a{{1.f, 2.f}, {3.f, 4.f}}, v{1.f, -1.f};
    expect(inner(v, Array{3.f, 5.f}), {-2}, "[]");
    expect(inner(a, v), {-1, -1}, "[2]");
    expect(inner(a, a), {5, 11, 11, 25}, "[2, 2]");
    expect(vdot(a, transpose(a)), {1 + 6 + 6 + 16}, "[]");
    expect(tensordot(a, a), {30}, "[]");
    expect(tensordot(a, a, 1), {7, 10, 15, 22}, "[2, 2]");
    expect(tensordot(v, v, 0), {1, -1, -1, 1}, "[2, 2]");
    EXPECT_THROW(inner(a, ones({3})), ShapeError);
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { tensordot(a, a, -1); }), "tensordot: -1 axes"));
    expect(cross(Array{1.f, 2.f, 3.f}, Array{4.f, 5.f, 6.f}), {-3, 6, -3}, "[3]");
    expect(cross(Array{{1, 0, 0}, {0, 1, 0}}, Array{0, 0, 1}), {0, -1, 0, 1, 0, 0}, "[2, 3]");
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { cross(a, a); }),
                         "cross: the last axis of [2, 2] has not size 3"));
}

INSTANTIATE_TEST_SUITE_P(Devices, Functions, ::testing::ValuesIn(usable_devices()),
                         [](const auto& info) { return info.param; });

} // namespace
