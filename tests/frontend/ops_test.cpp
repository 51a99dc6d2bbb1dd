// Every function of <heddle/ops.h>, and the older ones of <heddle/functions.h>, once on each device, beside values that are
// written out. What each op does to NaN, extremes and every dtype is the matter of tests/hir/run.

#include "device_fixture.h"
#include "frontend/function_runner.h"
#include "ir/parser.h"

#include <heddle/error.h>

#include <algorithm>
#include <cmath>

using namespace heddle;
using namespace heddle::tests;

namespace {

class Ops : public DeviceTest {};

TEST_P(Ops, operators_and_broadcasting) {
    const Array a{{1.f, 2.f, 3.f}, {4.f, 5.f, 6.f}}, row{10.f, 20.f, 30.f};
    expect(a + row, {11, 22, 33, 14, 25, 36}, "[2, 3]");
    expect(a - reshape(Array{1.f, 2.f}, {2, 1}), {0, 1, 2, 2, 3, 4}, "[2, 3]");
    expect(2.0f / a * 3, {6, 3, 2, 1.5, 1.2, 1}, "[2, 3]");
    expect(-a % 4, {3, 2, 1, 0, 3, 2}, "[2, 3]");
    expect(select(a > 3, a, 0), {0, 0, 0, 4, 5, 6}, "[2, 3]");
    expect((a >= 2) & (a < 5), {0, 1, 1, 1, 0, 0}, "[2, 3]");
    expect(Array{7, -7} / 2, {3, -3}, "[2]");
    expect(floor_divide(Array{7, -7}, 2), {3, -4}, "[2]");
    expect(power(a, 2), {1, 4, 9, 16, 25, 36}, "[2, 3]");
}

TEST_P(Ops, promotion_follows_the_table) {
    const Array i8 = zeros({1}, Dtype::i8), u8 = zeros({1}, Dtype::u8), f16 = zeros({1}, Dtype::f16),
                bf16 = zeros({1}, Dtype::bf16);
    EXPECT_EQ((i8 + u8).dtype(), Dtype::i16);
    EXPECT_EQ((i8 + 1).dtype(), Dtype::i8);
    EXPECT_EQ((i8 + 1.5).dtype(), Dtype::f32);
    EXPECT_EQ((f16 + bf16).dtype(), Dtype::f32);
    EXPECT_EQ((f16 + 1.5).dtype(), Dtype::f16);
    EXPECT_EQ((f16 + i8).dtype(), Dtype::f16);
    EXPECT_EQ((zeros({1}, Dtype::boolean) + 1).dtype(), Dtype::i32);
    const Array flags = zeros({1}, Dtype::boolean);
    for (const Array& result : {rem(flags, flags), shift_left(flags, flags), popcount(flags)})
        EXPECT_EQ(result.dtype(), Dtype::i32);
    EXPECT_EQ(exp(i8).dtype(), Dtype::f32);
    EXPECT_EQ(sum(i8).dtype(), Dtype::i32);
    EXPECT_EQ(sum(u8).dtype(), Dtype::u32);
    EXPECT_EQ(mean(f16).dtype(), Dtype::f16);
    EXPECT_THROW(u8 + 300, DtypeError);
    EXPECT_THROW(u8 + -1, DtypeError);
}

TEST_P(Ops, unary) {
    const Array x{-1.5f, 0.25f, 0.5f};
    struct Row {
        Array (*op)(const Operand&);
        double (*reference)(double);
    };
    const Row rows[] = {{exp, std::exp},     {sin, std::sin},   {cos, std::cos},
                        {tanh, std::tanh},   {erf, std::erf},   {abs, std::fabs},
                        {floor, std::floor}, {ceil, std::ceil}, {round, std::nearbyint},
                        {trunc, std::trunc}, {exp2, std::exp2}, {expm1, std::expm1},
                        {atan, std::atan},   {sinh, std::sinh}, {cosh, std::cosh},
                        {asinh, std::asinh}, {tan, std::tan}};
    for (const Row& row : rows)
        expect(row.op(x), {row.reference(-1.5), row.reference(0.25), row.reference(0.5)}, "[3]");
    expect(log(Array{1.f, 0.f, -1.f}), {0, -INFINITY, NAN}, "[3]");
    expect(rsqrt(Array{4.f}) + sqrt(Array{4.f}) + reciprocal(Array{4.f}), {2.75}, "[1]");
    expect(isnan(log(Array{-1.f})), {1}, "[1]");
    expect(popcount(Array{7, 8}), {3, 1}, "[2]");
    expect(~Array{true, false}, {0, 1}, "[2]");
    EXPECT_EQ(bitcast(Array{1.f}, Dtype::u32).item<std::uint32_t>(), 0x3F800000u);
}

TEST_P(Ops, reductions_of_long_columns_are_right_where_a_driver_leaves_loops_early) {
    const Array x = ones({70001, 80});
    EXPECT_EQ(values(sum(x, 0)), std::vector<double>(80, 70001));
    // Two axes that nothing joins: 30,000 + 60,000 iterations for 60,000 rows.
    const Array y = ones({30000, 2, 80}), w = ones({2, 80});
    EXPECT_EQ(values(sum(y * w, {0, 1})), std::vector<double>(80, 60000));
}

TEST_P(Ops, an_axis_moves_and_the_others_keep_their_order) {
    const Array x = reshape(arange(6, Dtype::f32), {1, 2, 3});
    expect(move_axis(x, -1, 0), {0, 3, 1, 4, 2, 5}, "[3, 1, 2]");
    expect(move_axis(x, 0, 2), {0, 1, 2, 3, 4, 5}, "[2, 3, 1]");
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { move_axis(x, 0, 3); }),
                         "move_axis: axis 3 is out of range for rank 3"));
}

TEST_P(Ops, lengths_and_counts) {
    const float infinity = std::numeric_limits<float>::infinity(), nan = std::nanf("");
    expect(hypot(Array{3.f, 0.f, 3e30f, infinity, nan}, Array{4.f, 0.f, -4e30f, nan, 1.f}),
           {5, 0, 5e30, infinity, nan}, "[5]");
    expect(count_nonzero(Array{{0.f, 1.f}, {-0.f, nan}}, 0), {0, 2}, "[2]");
    expect(count_nonzero(Array{0, 2, 0}), {1}, "[]");
}

TEST_P(Ops, many_blocks_along_the_outer_axes_of_a_grid) {
    const Array x = broadcast_to(reshape(arange(70000, Dtype::f32), {70000, 1, 1}), {70000, 2, 4}).eval();
    const std::vector<double> sums = values(sum(x, 1));
    ASSERT_EQ(sums.size(), 70000u * 4);
    EXPECT_EQ(sums[4], 2);
    EXPECT_EQ(sums.back(), 2 * 69999);
}

TEST_P(Ops, movement) {
    const Array a = reshape(arange(6, Dtype::f32), {2, 3});
    expect(transpose(a), {0, 3, 1, 4, 2, 5}, "[3, 2]");
    expect(reshape(a, {-1, 2}), {0, 1, 2, 3, 4, 5}, "[3, 2]");
    expect(flip(a, 1), {2, 1, 0, 5, 4, 3}, "[2, 3]");
    expect(slice(a, {{}, {1, 3}}), {1, 2, 4, 5}, "[2, 2]");
    expect(slice(a, 1, {.step = -2}), {2, 0, 5, 3}, "[2, 2]");
    expect(slice(a, 1, {-2, {}}), {1, 2, 4, 5}, "[2, 2]");
    expect(index(a, 0, -1), {3, 4, 5}, "[3]");
    expect(pad(a, {{1, 0}, {0, 1}}, 9), {9, 9, 9, 9, 0, 1, 2, 9, 3, 4, 5, 9}, "[3, 4]");
    expect(concatenate({a, a}, 1), {0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5}, "[2, 6]");
    expect(stack({index(a, 0, 0), index(a, 0, 1)}, 1), {0, 3, 1, 4, 2, 5}, "[3, 2]");
    expect(split(a, 3, 1).at(1), {1, 4}, "[2, 1]");
    expect(squeeze(expand_dims(a, {0, 3})), {0, 1, 2, 3, 4, 5}, "[2, 3]");
    expect(repeat(Array{1.f, 2.f}, 2, 0), {1, 1, 2, 2}, "[4]");
    expect(tile(Array{1.f, 2.f}, {2}), {1, 2, 1, 2}, "[4]");
    expect(roll(arange(4, Dtype::f32), 1, 0), {3, 0, 1, 2}, "[4]");
    expect(diagonal(a, 1) + trace(a), {5, 9}, "[2]");
    EXPECT_THROW(slice(a, 1, {0, 4}), ShapeError);
    EXPECT_THROW(slice(a, 1, {.step = 0}), ShapeError);
    EXPECT_THROW(reshape(a, {4, -1}), ShapeError);
    EXPECT_THROW(transpose(a, {0, 0}), ShapeError);
}

TEST_P(Ops, creation) {
    expect(full({2, 2}, 3.5f), {3.5, 3.5, 3.5, 3.5}, "[2, 2]");
    expect(eye(2, 3), {1, 0, 0, 0, 1, 0}, "[2, 3]");
    expect(tri(2, 2), {1, 0, 1, 1}, "[2, 2]");
    expect(triu(ones({2, 2})) + tril(ones({2, 2}), -1), {1, 1, 1, 1}, "[2, 2]");
    expect(arange(1.0, 2.0, 0.25), {1, 1.25, 1.5, 1.75}, "[4]");
    expect(linspace(0, 1, 5), {0, 0.25, 0.5, 0.75, 1}, "[5]");
    expect(one_hot(Array{1, 0}, 3), {0, 1, 0, 1, 0, 0}, "[2, 3]");
    EXPECT_EQ(arange(3).dtype(), Dtype::i32);
}

TEST_P(Ops, reductions) {
    const Array a{{1.f, 5.f, 3.f}, {4.f, 2.f, 6.f}};
    expect(sum(a), {21}, "[]");
    expect(sum(a, 0), {5, 7, 9}, "[3]");
    expect(prod(a, -1, true), {15, 48}, "[2, 1]");
    expect(max(a, 1) - min(a, 1), {4, 4}, "[2]");
    expect(all(a > 1, 0), {0, 1, 1}, "[3]");
    expect(any(a > 5), {1}, "[]");
    expect(argmax(a, 1), {1, 2}, "[2]");
    expect(argmin(a), {0}, "[]");
    expect(argmax(Array{1.f, NAN, 3.f, NAN}, 0), {1}, "[]");
    expect(argmax(Array{2, 2, 1}), {0}, "[]");
    expect(sum(zeros({0, 2}), 0), {0, 0}, "[2]");
    EXPECT_THROW(sum(a, 2), ShapeError);
    EXPECT_THROW(sum(a, {0, 0}), ShapeError);
}

TEST_P(Ops, products) {
    const Array a{{1.f, 2.f}, {3.f, 4.f}}, v{1.f, -1.f};
    expect(matmul(a, a), {7, 10, 15, 22}, "[2, 2]");
    expect(matmul(a, v), {-1, -1}, "[2]");
    expect(matmul(v, a), {-2, -2}, "[2]");
    expect(matmul(v, v), {2}, "[]");
    expect(matmul(stack({a, a}), a), {7, 10, 15, 22, 7, 10, 15, 22}, "[2, 2, 2]");
    expect(matmul(a, stack({a, -a})), {7, 10, 15, 22, -7, -10, -15, -22}, "[2, 2, 2]");
    expect(outer(v, Array{2.f, 3.f, 4.f}), {2, 3, 4, -2, -3, -4}, "[2, 3]");
    expect(dot_general(a, a, {{0, 0}}), {10, 14, 14, 20}, "[2, 2]");
}

TEST_P(Ops, statistics_and_normalisations) {
    const Array a{{1.f, 2.f, 3.f}, {2.f, 4.f, 9.f}};
    expect(mean(a, 1), {2, 5}, "[2]");
    expect(var(a, 1), {2.0 / 3, 26.0 / 3}, "[2]");
    expect(heddle::std(a, 1, false, 1), {1, std::sqrt(13.0)}, "[2]");
    expect(norm(a), {std::sqrt(115.0)}, "[]");
    expect(sum(softmax(a), -1), {1, 1}, "[2]");
    expect(exp(log_softmax(a)) - softmax(a), {0, 0, 0, 0, 0, 0}, "[2, 3]");
    expect(logsumexp(Array{1000.f, 1000.f}), {1000 + std::log(2.0)}, "[]");
    expect(logsumexp(Array{-INFINITY, -INFINITY}), {-INFINITY}, "[]");
    expect(mean(layer_norm(a), -1), {0, 0}, "[2]", 1e-6);
    expect(mean(square(rms_norm(a)), -1), {1, 1}, "[2]", 1e-4);
    // The mean is far above the deviation: the centred form keeps the digits.
    const Array far = cast(arange(1000, Dtype::i32) % 2, Dtype::f32) * 2.0f + 9999.0f;
    expect(var(far), {1}, "[]", 1e-6);
}

TEST_P(Ops, activations) {
    const Array x{-2.f, 0.f, 1.f};
    const auto sigmoid_of = [](double v) { return 1 / (1 + std::exp(-v)); };
    expect(gelu(x), {-2 * 0.5 * std::erfc(2 / std::sqrt(2.0)), 0, 0.5 * (1 + std::erf(1 / std::sqrt(2.0)))},
           "[3]");
    expect(gelu_tanh(x), {-0.045402, 0, 0.841192}, "[3]", 1e-5);
    // Far below 0 the two halves of the formula by tanh would cancel: 1 / (1 + e^12.3) is left.
    expect(gelu_tanh(Array{-5.f}), {-2.2917e-7}, "[1]", 1e-4);
    expect(sigmoid(x), {sigmoid_of(-2), 0.5, sigmoid_of(1)}, "[3]");
    expect(silu(x), {-2 * sigmoid_of(-2), 0, sigmoid_of(1)}, "[3]");
    expect(relu(x) + leaky_relu(x, 0.5f), {-1, 0, 2}, "[3]");
    expect(softplus(x), {std::log1p(std::exp(-2.0)), std::log(2.0), 1 + std::log1p(std::exp(-1.0))}, "[3]");
    expect(clip(x, -1, 0.5), {-1, 0, 0.5}, "[3]");
    expect(logaddexp(x, x), {-2 + std::log(2.0), std::log(2.0), 1 + std::log(2.0)}, "[3]");
    expect(where(x > 0, x, lerp(x, 1.0f, 0.5f)), {-0.5, 0.5, 1}, "[3]");
    expect(all_close(x, x + 1e-9f), {1}, "[]");
}

TEST_P(Ops, access_at_run_time_indices) {
    const Array a = reshape(arange(6, Dtype::f32), {2, 3});
    expect(take(a, Array{2, 0, -1}, 1), {2, 0, 2, 5, 3, 5}, "[2, 3]");
    expect(take(a, Array(1)), {3, 4, 5}, "[3]");
    expect(take_along(a, Array{{2}, {0}}, 1), {2, 3}, "[2, 1]");
    expect(dynamic_slice(a, {0, Array(5)}, {2, 2}), {1, 2, 4, 5}, "[2, 2]");
    expect(slice_update(a, Array{{8.f, 9.f}}, {1, 1}), {0, 1, 2, 3, 8, 9}, "[2, 3]");
}

TEST_P(Ops, nothing_is_taken_from_an_axis_of_size_0) {
    const Array none = zeros({2, 0});
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { take(none, Array{0, 1}, 1); }),
                         "take: axis 1 has no elements for the indices [2]"));
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { take_along(none, Array{{0}, {0}}, 1); }),
                         "take_along: axis 1 has no elements for the indices [2, 1]"));
    expect(take(none, zeros({0}, Dtype::i32), 1), {}, "[2, 0]");
    expect(take(none, Array{1, 0}, 0), {}, "[2, 0]");
}

TEST_P(Ops, sizes_are_not_negative) {
    const Array x = ones({4});
    const auto refuses = [](const char* part, auto act) {
        EXPECT_TRUE(contains(message_of<ShapeError>(act), part));
        EXPECT_TRUE(contains(message_of<ShapeError>(act), "ops_test.cpp:"));
    };
    refuses("ones: axis 0 of the result has the negative size -2", [] { ones({-2}); });
    refuses("reshape: axis 0 of the result has the negative size -2", [&] { reshape(x, {-2, -2}); });
    refuses("broadcast_to: axis 0", [] { broadcast_to(Array(1.f), {-3}); });
    refuses("iota: axis 0", [] { iota({-4}, 0); });
    refuses("eye: iota: axis 0", [] { eye(-2); });
    refuses("tri: iota: axis 0", [] { tri(-1, -1); });
    refuses("repeat: broadcast_to: axis 1", [&] { repeat(x, -2, 0); });
    refuses("tile: -2 copies along axis 0", [&] { tile(x, {-2}); });
    refuses("random::uniform: iota: axis 0", [] { random::uniform(random::key(1), {-2}); });
    expect(arange(-4), {}, "[0]");
}

// A function that no trace made has no facts that keep such sizes away.
TEST_P(Ops, a_call_whose_sizes_give_a_negative_one_is_refused) {
    const char* text = "func @shorter(%x: f32[?n]) -> f32[?n - 5] {\n"
                       "  %y = slice %x {start = [0], step = [1]} : f32[?n - 5]\n"
                       "  return %y\n"
                       "}\n";
    detail::FunctionRunner runner(context, GetParam(), ir::parse(text, "shorter.hir"), "shorter");
    const ir::Tensor three{Dtype::f32, {3}, {0, 0, 0}};
    const std::vector<i64> symbols{3};
    const std::string message =
        message_of<ShapeError>([&] { runner.run(std::span(&three, 1), {}, symbols); });
    EXPECT_TRUE(contains(message, "@shorter: axis 0 of"));
    EXPECT_TRUE(contains(message, "has the negative size -2"));
}

TEST_P(Ops, random_numbers_are_functions_of_their_key) {
    const Array key = random::key(42);
    const Array x = random::uniform(key, {1000});
    expect(x - random::uniform(random::key(42), {1000}), std::vector<double>(1000, 0.0), "[1000]");
    EXPECT_NEAR(mean(x).item<double>(), 0.5, 0.05);
    EXPECT_TRUE(all((x >= 0) & (x < 1)).item<bool>());
    const Array n = random::normal(key, {1000});
    EXPECT_NEAR(mean(n).item<double>(), 0, 0.15);
    EXPECT_NEAR(heddle::std(n).item<double>(), 1, 0.1);
    auto [left, right] = random::split(key);
    EXPECT_FALSE(all(random::bits(left, {4}) == random::bits(right, {4})).item<bool>());
    const Array whole = random::integers(key, {1000}, -3, 4);
    EXPECT_TRUE(all((whole >= -3) & (whole < 4)).item<bool>());
    EXPECT_THROW(random::bits(Array{1.f, 2.f}, {2}), ShapeError);
}

// Salmon et al.'s known answers for Threefry-2x32-20, through the xor of both words: counter and key of zeros.
TEST_P(Ops, random_bits_are_threefrys) {
    EXPECT_EQ(random::bits(random::key(0), {1}).to_vector<std::uint32_t>()[0], 0x6b200159u ^ 0x99ba4efeu);
}

TEST(LoopsOfKernels, that_no_kernel_is_long_enough_for_are_refused_by_name) {
    const std::vector<DeviceSummary>& all = known_devices();
    const auto driver = std::ranges::find_if(
        all, [](const DeviceSummary& device) { return device.description.starts_with("llvmpipe"); });
    if (driver == all.end()) GTEST_SKIP() << "no driver here leaves loops early";
    Context context{ContextOptions{.device = driver->name, .cache_directory = ""}};
    Context::Scope scope{context};
    const auto values = [](const Array& array) { return cast(array, Dtype::f64).to_vector<double>(); };
    const auto sums = [](const Dim& rows) { return sum(broadcast_to(Array{1.f}, {rows, 32}), 0); };
    EXPECT_TRUE(contains(message_of<DeviceError>([&] { values(sums(6'000'000'000)); }),
                         "longer than the 65535 iterations after which the driver"));
    auto count = compile("count", [&](Array x) { return sums(x.shape(0)); }, {.shapeless = true});
    EXPECT_EQ(values(count(zeros({100000, 0}))), std::vector<double>(32, 100000));
    const std::string message = message_of<DeviceError>([&] { values(count(zeros({6'000'000'000, 0}))); });
    EXPECT_TRUE(contains(message, "count: no kernel is for these sizes; the one for the most asks for "))
        << message;
    EXPECT_TRUE(contains(message, "leaves loops after 65535 iterations")) << message;
}

INSTANTIATE_TEST_SUITE_P(Devices, Ops, ::testing::ValuesIn(usable_devices()),
                         [](const auto& info) { return info.param; });

} // namespace
