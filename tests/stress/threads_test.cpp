// R8: many threads that multiply, evaluate, dispatch and drop.

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

TEST_P(ManyThreads, R8_thirty_two_threads_dispatch_and_drop_sixty_four_times) {
    constexpr int rounds = 64;
    const auto f = compile("sum_of_three", sum_of_three);
    (void)f(full({512}, 1.0f).eval(), full({512}, 1.0f).eval(), full({512}, 1.0f).eval());
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
                kept = f(a, b, c);
                (void)f(c, b, a); // nobody looks at it
            }
            wrong += floats(kept) != filled(512, base + 8);
        }
    });
    EXPECT_EQ(wrong, 0);
    context.synchronize();
    EXPECT_EQ(Live(context), before);
}

TEST_P(ManyThreads, R8_sixty_four_times_256_dispatches_on_three_inputs_that_are_dropped) {
    constexpr int rounds = 64, dispatches = 256, size = 4096;
    const auto f = compile("sum_of_three", sum_of_three);
    const std::vector<float> ones = filled(size, 1), twos = filled(size, 2), threes = filled(size, 3);
    (void)f(Array::from(ones), Array::from(twos), Array::from(threes));
    context.synchronize();
    const Live before(context);
    int wrong = 0;
    for (int round = 0; round < rounds; ++round) {
        Array last;
        for (int k = 0; k < dispatches; ++k)
            last = f(Array::from(ones), Array::from(twos), Array::from(threes));
        wrong += floats(last) != filled(size, 14);
    }
    EXPECT_EQ(wrong, 0);
    context.synchronize();
    EXPECT_EQ(Live(context), before);
}

HEDDLE_ON_DEVICES(ManyThreads);

} // namespace
