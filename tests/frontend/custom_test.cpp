// Custom kernels as ops: what they compute beside ordinary ops, on which sizes, and what is made of them.

#include "custom_kernels.h"
#include "fixture.h"
#include "frontend/context_state.h"
#include "runtime/device.h"

#include <heddle/error.h>

#include <numeric>
#include <sstream>
#include <thread>

using namespace heddle;
using namespace heddle::tests;

namespace {

// R6: what a kernel is called with, and what a launch binds, has an owner; an address alone is no such thing.
template <class T> constexpr bool can_be_an_input =
    requires(const CustomKernel& kernel, T value) { kernel({Operand(value)}); };
template <class T> constexpr bool can_be_a_temporary =
    requires(CustomSizes& sizes, T value) { sizes.temporaries.push_back(value); };
template <class T> constexpr bool can_be_bound =
    requires(runtime::Launch& launch, T value) { launch.buffers.push_back(value); };

static_assert(can_be_an_input<Array> && can_be_an_input<float> && can_be_an_input<Dim>);
static_assert(!can_be_an_input<float*> && !can_be_an_input<void*> &&
              !can_be_an_input<std::unique_ptr<float[]>>);
static_assert(can_be_a_temporary<Dim> && can_be_a_temporary<int>);
static_assert(!can_be_a_temporary<float*> && !can_be_a_temporary<void*> && !can_be_a_temporary<Array>);
static_assert(can_be_bound<runtime::BufferRef>);
static_assert(!can_be_bound<runtime::Buffer*> && !can_be_bound<void*> && !can_be_bound<std::uint64_t>);
static_assert(!can_be_bound<std::weak_ptr<runtime::Buffer>> && !can_be_bound<std::unique_ptr<std::byte[]>>);
static_assert(Sendable<CustomKernel>);

TEST(R6_Temporaries, a_temporary_without_an_owner_does_not_compile) { SUCCEED() << "the assertions above"; }

std::vector<float> counting(std::size_t count) {
    std::vector<float> values(count);
    for (std::size_t k = 0; k < count; ++k) values[k] = static_cast<float>(k % 97) * 0.25f;
    return values;
}

class R7_Custom : public ::testing::TestWithParam<const char*> {
protected:
    Context context{ContextOptions{.device = GetParam(), .cache_directory = ""}};
    Context::Scope scope{context};

    static Array array(std::size_t count) { return Array::from(counting(count)).to(GetParam()).eval(); }

    template <class F, class... A> static std::string report(const F& function, const A&... arguments) {
        std::ostringstream out;
        function.dump(out, Stage::report, arguments...);
        return out.str();
    }
};

Array around(const CustomKernel& kernel, Array x, Array y) {
    const Array z = kernel({2.0f, x * x + 1.0f, y});
    return z - x;
}

std::vector<float> expected_around(std::size_t count) {
    std::vector<float> values = counting(count);
    for (float& v : values) v = 2.0f * (v * v + 1.0f) + v - v;
    return values;
}

TEST_P(R7_Custom, is_traced_and_what_is_around_it_fuses) {
    const auto f = compile("f", [kernel = saxpy()](Array x, Array y) { return around(kernel, x, y); });
    const Array x = array(1000);
    EXPECT_EQ(floats(f(x, x)), expected_around(1000));
    const std::string text = report(f, x, x);
    EXPECT_TRUE(contains(text, " ops in 3 kernels with "));
    EXPECT_TRUE(contains(text, "kernel @saxpy: custom, 4 buffers\n"));
    std::size_t cuts = 0;
    for (std::size_t at = 0; (at = text.find("not fused: ", at)) != std::string::npos; ++at) {
        const std::string line = text.substr(at, text.find('\n', at) - at);
        EXPECT_TRUE(line.ends_with(": custom")) << line;
        ++cuts;
    }
    EXPECT_EQ(cuts, 2u) << "what it reads, and what reads it";
}

TEST_P(R7_Custom, serves_every_size_with_one_trace) {
    const auto f = compile("f", [kernel = saxpy()](Array x, Array y) { return around(kernel, x, y); },
                           {.shapeless = true, .strict = true});
    for (std::size_t count : {2u, 37u, 1000u, 100003u})
        EXPECT_EQ(floats(f(array(count), array(count))), expected_around(count)) << count;
    EXPECT_EQ(f.traces(), 1u);
    const std::uint64_t compiled = context.statistics().kernels_compiled;
    EXPECT_EQ(floats(f(array(512), array(512))), expected_around(512));
    EXPECT_EQ(context.statistics().kernels_compiled, compiled);
}

TEST_P(R7_Custom, runs_in_lazy_expressions) {
    const CustomKernel kernel = saxpy();
    const Array x = array(300);
    const Array z = around(kernel, x, x);
    EXPECT_FALSE(z.is_evaluated());
    EXPECT_EQ(floats(z), expected_around(300));
    // Another number is the same program.
    const std::uint64_t programs = context.statistics().programs;
    EXPECT_EQ(floats(kernel({3.0f, x, x}))[1], 1.0f);
    EXPECT_EQ(floats(kernel({7.0f, x, x}))[1], 2.0f);
    EXPECT_EQ(context.statistics().programs, programs + 1);
}

TEST_P(R7_Custom, is_inlined_with_the_function_that_calls_it) {
    const auto inner =
        compile("inner", [kernel = saxpy()](Array a, Array x) { return kernel({a, x + 1.0f, x}); });
    const auto outer = compile("outer", [inner](Array x, Array a) { return inner(a, x * 2.0f) * 0.5f; });
    const Array x = array(200);
    const std::vector<float> got = floats(outer(x, 3.0f));
    for (std::size_t k = 0; k < got.size(); ++k) {
        const float v = counting(200)[k] * 2.0f;
        EXPECT_EQ(got[k], (3.0f * (v + 1.0f) + v) * 0.5f) << k;
    }
    EXPECT_TRUE(contains(report(outer, x, 3.0f), "kernel @saxpy: custom, 4 buffers\n"));
}

TEST_P(R7_Custom, reads_whatever_an_array_is_made_of) {
    const CustomKernel kernel = saxpy();
    const auto f = compile("f", [kernel](Array x, Array a) {
        const Array squares = reshape(x, {10, 30});
        const Array by_columns = reshape(transpose(squares, {1, 0}), {300}); // a view of an argument
        const Array ramp = iota({300}, 0, Dtype::f32);                       // of its place alone
        const Array z = kernel({a, by_columns, ramp * 2.0f});
        const Array wide = broadcast_to(sum(z), {300}); // a view of a reduction
        return std::tuple(z, kernel({Array(0.5f), wide, z}), by_columns, ramp * 2.0f);
    });
    const auto [z, y, columns, ramp] = f(array(300), 4.0f);
    const std::vector<float> x = counting(300), got = floats(z), last = floats(y);
    double total = 0;
    for (std::size_t k = 0; k < 300; ++k) {
        const float at = x[k % 10 * 30 + k / 10];
        EXPECT_EQ(floats(columns)[k], at);
        ASSERT_EQ(got[k], 4.0f * at + 2.0f * static_cast<float>(k)) << k;
        total += got[k];
    }
    for (std::size_t k = 0; k < 300; ++k) ASSERT_NEAR(last[k], 0.5 * total + got[k], 1e-6 * total) << k;
    EXPECT_EQ(floats(ramp)[299], 598.0f);
}

TEST_P(R7_Custom, takes_constants_numbers_sizes_and_one_array_twice) {
    const CustomKernel kernel = saxpy();
    const Array x = array(3);
    EXPECT_EQ(floats(compile("f", [kernel](Array v) { return kernel({2, v, v}); })(x)),
              (std::vector<float>{0, 0.75f, 1.5f}));
    EXPECT_EQ(
        floats(compile("g", [kernel](Array v) { return kernel({v.shape(0), v, Array{1.f, 2.f, 3.f}}); })(x)),
        (std::vector<float>{1, 2.75f, 4.5f}));
    EXPECT_EQ(floats(kernel({0.5f, Array{2.f, 4.f}, Array{1.f, 1.f}})), (std::vector<float>{2, 3}));
}

TEST_P(R7_Custom, may_follow_another_and_be_a_result_itself) {
    const CustomKernel kernel = saxpy();
    const auto f = compile("f", [kernel](Array x) {
        const Array a = kernel({1.0f, x, x}), b = kernel({1.0f, a, a});
        return std::tuple(b, a, kernel({1.0f, b, a}));
    });
    const auto [b, a, c] = f(array(100));
    const std::vector<float> x = counting(100);
    for (std::size_t k = 0; k < 100; ++k) {
        EXPECT_EQ(floats(a)[k], 2 * x[k]);
        EXPECT_EQ(floats(b)[k], 4 * x[k]);
        EXPECT_EQ(floats(c)[k], 6 * x[k]);
    }
}

TEST_P(R7_Custom, gives_several_arrays_that_need_not_all_be_used) {
    const CustomKernel kernel = doubled_and_whole();
    for (const bool shapeless : {false, true}) {
        const auto both = compile("both",
                                  [kernel](Array x) {
                                      const std::vector<Array> parts = kernel.call({x});
                                      return std::tuple(parts[1] + 1, parts[0] * 2.0f);
                                  },
                                  {.shapeless = shapeless});
        const auto one =
            compile("one", [kernel](Array x) { return kernel.call({x})[1]; }, {.shapeless = shapeless});
        for (std::size_t count : {5u, 70u}) {
            const Array x = array(count);
            const auto [whole, doubled] = both(x);
            EXPECT_EQ(one(x).to_vector<std::int32_t>().size(), count);
            EXPECT_EQ(one(x).to_vector<std::int32_t>()[4], 1);
            EXPECT_EQ(whole.to_vector<std::int32_t>()[4], 2);
            EXPECT_EQ(floats(doubled).size(), 2 * count);
            EXPECT_EQ(floats(doubled)[count + 3], 1.5f);
        }
    }
    EXPECT_EQ(kernel.call({array(9)})[1].to_vector<std::int32_t>()[8], 2);
}

TEST_P(R7_Custom, has_temporaries_of_its_own_in_every_call) {
    const CustomKernel kernel = reversed();
    const auto f =
        compile("f", [kernel](Array x) { return kernel({kernel({x}) + 1.0f}) + kernel({x * 2.0f}); },
                {.shapeless = true});
    for (std::size_t count : {1u, 3u, 1000u}) {
        const std::vector<float> x = counting(count), got = floats(f(array(count)));
        for (std::size_t k = 0; k < count; ++k)
            ASSERT_EQ(got[k], x[k] + 1.0f + 2.0f * x[count - 1 - k]) << count << " " << k;
    }
}

TEST_P(R7_Custom, is_left_out_where_nobody_reads_it) {
    const auto f = compile("f", [kernel = saxpy()](Array x) {
        kernel({1.0f, x, x});
        return x + 1.0f;
    });
    EXPECT_EQ(report(f, array(100)).find("saxpy"), std::string::npos);
}

TEST_P(R7_Custom, takes_over_no_memory_that_it_reads) {
    const CustomKernel kernel = reversed();
    const auto f = compile("f", [kernel](Array x) { return kernel({x}); });
    Array x = array(1000);
    const Array y = f(std::move(x));
    const std::vector<float> expected = counting(1000), got = floats(y);
    for (std::size_t k = 0; k < 1000; ++k) ASSERT_EQ(got[k], expected[999 - k]);
    // A later op may: here the memory of the argument is free by then.
    const auto g = compile("g", [kernel](Array v) { return kernel({v + 0.0f}) + 1.0f; });
    EXPECT_EQ(floats(g(array(1000)))[0], expected[999] + 1.0f);
}

TEST_P(R7_Custom, runs_nothing_for_empty_arrays) {
    const auto f = compile("f", [kernel = saxpy()](Array x, Array y) { return around(kernel, x, y); });
    EXPECT_TRUE(floats(f(zeros({0}), zeros({0}))).empty());
}

TEST_P(R7_Custom, is_compiled_once_for_all_functions_and_numbers) {
    const Array x = array(1000);
    compile("f", [kernel = saxpy()](Array v) { return kernel({1.0f, v, v}); })(x).wait();
    const Statistics before = context.statistics();
    compile("g", [kernel = saxpy()](Array v) { return kernel({2.0f, v, v}); })(x).wait();
    EXPECT_EQ(context.statistics().kernels_compiled, before.kernels_compiled);
    EXPECT_EQ(context.statistics().kernel_hits, before.kernel_hits + 1);
}

TEST_P(R7_Custom, has_variants_by_conditions_on_sizes) {
    CustomDescription description = saxpy_description();
    std::string special; // for multiples of 8: adds 1000, so that it shows
    for (const std::string target : {"cpu", "gpu"})
        special +=
            "kernel @eights_" + target +
            "(%a: ptr<f32>, %x: ptr<f32>, %y: ptr<f32>, %z: ptr<f32>, %n: index = ?n) {target = " + target +
            ", grid = [1], index = 64} when ?n % 8 == 0 {\n  for %i in 0 .. %n {\n"
            "    store 1000.0, %z[%i]\n  }\n}\n";
    description.kernel = special + description.kernel;
    const CustomKernel kernel(description);
    const auto f = compile("f", [kernel](Array x) { return kernel({1.0f, x, x}); }, {.shapeless = true});
    EXPECT_EQ(floats(f(array(64)))[3], 1000.0f);
    EXPECT_EQ(floats(f(array(65)))[3], 1.5f);
}

TEST_P(R7_Custom, is_called_and_dropped_from_many_threads) {
    const CustomKernel kernel = saxpy();
    const Array x = array(4096);
    const std::uint64_t live = context.live_buffers();
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread)
        threads.emplace_back([&, x = x] {
            const Context::Scope inside(context);
            for (int round = 0; round < 16; ++round) {
                Array z = kernel({2.0f, x, x});
                for (int k = 0; k < 4; ++k) z = kernel({0.0f, x, z}); // what came before is dropped, unread
                z.eval();
                wrong += floats(z)[5] != 3.75f;
            }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
    context.synchronize();
    context.trim(); // what the program keeps from call to call
    EXPECT_EQ(context.live_buffers(), live);
}

INSTANTIATE_TEST_SUITE_P(On, R7_Custom, ::testing::Values("cpu", "vulkan"),
                         [](const auto& info) { return std::string(info.param); });

} // namespace
