// R8: many threads that multiply, evaluate, dispatch and drop; compiled functions and kernels of the user's.

#include "fixture.h"

using namespace heddle;
using namespace heddle::tests;

namespace {

class ManyThreads : public OnDevice {};

TEST_P(ManyThreads, R8_sixteen_threads_multiply_and_evaluate_eight_times) {
    constexpr int size = 48;
    std::atomic<int> wrong{0};
    const auto round_on = [&](int k, int round) {
        const float value = static_cast<float>(k % 4 + 1);
        const Array a = full({size, size}, value), b = full({size, size}, round + 1);
        const Array product = matmul(a, b);
        product.eval();
        wrong +=
            floats(product + 1.0f) != filled(size * size, size * value * static_cast<float>(round + 1) + 1);
    };
    round_on(0, 0);
    context.synchronize();
    const std::uint64_t arrays = live_arrays(), buffers = context.live_buffers();
    on_threads(context, 16, [&](int k) {
        for (int round = 0; round < 8; ++round) round_on(k, round);
    });
    EXPECT_EQ(wrong, 0);
    context.synchronize();
    EXPECT_EQ(live_arrays(), arrays);
    EXPECT_EQ(context.live_buffers(), buffers);
}

Array sum_of_three(Array a, Array b, Array c) { return a + b * 2.0f + c * 3.0f; }

/// The same as a kernel, by way of a temporary.
CustomKernel custom_sum_of_three() {
    const std::string parameters = "(%a: ptr<f32>, %b: ptr<f32>, %c: ptr<f32>, %y: ptr<f32>, %t: ptr<f32>, "
                                   "%n: index = ?n) {target = ";
    const std::string element = R"(
    %bv = load %b[%i] : f32
    %b2 = mul %bv, 2.0
    %cv = load %c[%i] : f32
    %c3 = mul %cv, 3.0
    %rest = add %b2, %c3
    store %rest, %t[%i]
    %av = load %a[%i] : f32
    %tv = load %t[%i] : f32
    %sum = add %av, %tv
    store %sum, %y[%i]
  }
}
)";
    return CustomKernel({
        .name = "sum_of_three",
        .inputs = {{Dtype::f32, 1}, {Dtype::f32, 1}, {Dtype::f32, 1}},
        .outputs = {Dtype::f32},
        .temporaries = {Dtype::f32},
        .sizes = {"n"},
        .measure =
            [](std::span<const Shape> in) {
                return CustomSizes{.outputs = {in[0]}, .sizes = {in[0][0]}, .temporaries = {in[0][0]}};
            },
        .kernel = "kernel @on_cpu" + parameters + R"(cpu, grid = [(?n + 511) / 512], index = 64} {
  %g = grid_index 0
  %first = index %g * 512
  for %i in %first .. min(%first + 512, %n) {)" +
                  element + "kernel @on_gpu" + parameters +
                  R"(gpu, block = 64, grid = [(?n + 63) / 64], index = 32} {
  %g = grid_index 0
  %thread = thread_index
  %i = index %g * 64 + %thread
  %inside = lt %i, %n
  if %inside {)" + element,
    });
}

/// `f` adds up its first argument, twice the second and three times the third.
template <class F> void dispatch_and_drop_on_threads(Context& context, const F& f) {
    constexpr int rounds = 64;
    f(full({512}, 1.0f).eval(), full({512}, 1.0f).eval(), full({512}, 1.0f).eval()).wait();
    context.synchronize();
    const Live before(context);
    std::atomic<int> wrong{0};
    on_threads(context, 32, [&](int k) {
        for (int round = 0; round < rounds; ++round) {
            const float base = static_cast<float>(k + round);
            Array kept;
            {
                Array a = Array::from(filled(512, base)), b = Array::from(filled(512, 1)),
                      c = Array::from(filled(512, 2));
                kept = f(a, b, c).eval();
                f(c, b, a).eval(); // nobody looks at it
            }
            wrong += floats(kept) != filled(512, base + 8);
        }
    });
    EXPECT_EQ(wrong, 0);
    context.synchronize();
    EXPECT_EQ(Live(context), before);
}

template <class F> void dispatch_and_drop_many_times(Context& context, const F& f) {
    constexpr int rounds = 64, dispatches = 256, size = 4096;
    const std::vector<float> ones = filled(size, 1), twos = filled(size, 2), threes = filled(size, 3);
    f(Array::from(ones), Array::from(twos), Array::from(threes)).wait();
    context.synchronize();
    const Live before(context);
    int wrong = 0;
    for (int round = 0; round < rounds; ++round) {
        Array last;
        for (int k = 0; k < dispatches; ++k)
            last = f(Array::from(ones), Array::from(twos), Array::from(threes)).eval();
        wrong += floats(last) != filled(size, 14);
    }
    EXPECT_EQ(wrong, 0);
    context.synchronize();
    EXPECT_EQ(Live(context), before);
}

TEST_P(ManyThreads, R8_thirty_two_threads_dispatch_and_drop_sixty_four_times) {
    dispatch_and_drop_on_threads(context, compile("sum_of_three", sum_of_three));
}

TEST_P(ManyThreads, R8_sixty_four_times_256_dispatches_on_three_inputs_that_are_dropped) {
    dispatch_and_drop_many_times(context, compile("sum_of_three", sum_of_three));
}

// ---- while a thread ends

/// Of a thread: goes behind what the thread's calls have made, if it was made before.
struct AtEnd {
    std::function<void()> act;
    ~AtEnd() {
        if (act) act();
    }
};

TEST_P(ManyThreads, calls_come_from_destructors_of_thread_locals) {
    const auto f = compile("f", [](Array x) { return tanh(x) * 0.0f + x; });
    const auto shapeless = compile("g", [](Array x) { return sum(x, {0}); }, {.shapeless = true});
    const Array x = Array::from(filled(40, 2));
    const auto count_right = [&] {
        const Context::Scope here(context);
        return (floats(f(x)) == filled(40, 2)) + (floats(shapeless(x)) == filled(1, 80)) +
               (floats(x + 1.0f) == filled(40, 3));
    };
    EXPECT_EQ(count_right(), 3);
    int right = 0;
    for (int k = 0; k < 5; ++k)
        std::thread([&] {
            thread_local AtEnd end;
            end.act = [&] {
                for (int call = 0; call < 3; ++call) right += count_right();
            };
            right += count_right();
        }).join();
    EXPECT_EQ(right, 5 * 4 * 3);
}

// ---- kernels of the user's: called as they are, which is a lazy graph for each call, and in a compiled function

TEST_P(ManyThreads, R8_thirty_two_threads_dispatch_and_drop_a_custom_kernel_sixty_four_times) {
    dispatch_and_drop_on_threads(
        context, [kernel = custom_sum_of_three()](const Array& a, const Array& b, const Array& c) {
            return kernel({a, b, c});
        });
}

TEST_P(ManyThreads, R8_sixty_four_times_256_dispatches_of_a_custom_kernel_on_inputs_that_are_dropped) {
    const CustomKernel kernel = custom_sum_of_three();
    dispatch_and_drop_many_times(
        context, compile("sum_of_three", [kernel](Array a, Array b, Array c) { return kernel({a, b, c}); }));
}

HEDDLE_ON_DEVICES(ManyThreads);

} // namespace
