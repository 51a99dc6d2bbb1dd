// compile(): C1 to C4 and C10 to C17 of the behaviours; what threads do is in threads_test.cpp.

#include "fixture.h"

#include <heddle/error.h>

#include <latch>
#include <optional>
#include <sstream>
#include <thread>

using namespace heddle;
using namespace heddle::tests;

namespace {

class Compile : public FrontendTest {};

Array ramp(std::int64_t count) { return arange(count, Dtype::f32); }

TEST_F(Compile, C1_nothing_runs_until_the_first_call_and_errors_carry_the_name) {
    int runs = 0;
    auto f = compile("halve", [&](Array x) {
        ++runs;
        return x * 0.5f;
    });
    EXPECT_EQ(runs, 0);
    EXPECT_EQ(context.statistics().traces, 0u);
    EXPECT_EQ(floats(f(Array{2.f, 4.f})), (std::vector<float>{1, 2}));
    EXPECT_EQ(runs, 1);
    auto bad = compile("halve_badly", [](Array x) { return x + Array{1.f, 2.f, 3.f}; });
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { bad(Array{1.f, 2.f}); }), "halve_badly"));
}

TEST_F(Compile, C2_one_trace_for_each_signature) {
    auto f = compile("f", [](Array x, Static<int> k) { return x * k.value; });
    for (int round = 0; round < 3; ++round) {
        f(Array{1.f, 2.f}, 2);
        f(Array{1.f, 2.f, 3.f}, 2);
        f(Array{1, 2, 3}, 2);
        f(Array{1.f, 2.f}, 3);
    }
    EXPECT_EQ(f.traces(), 4u);
    EXPECT_EQ(f.specializations(), 4u);
    EXPECT_EQ(floats(f(Array{1.f, 2.f}, 3)), (std::vector<float>{3, 6}));
    EXPECT_EQ(f.traces(), 4u);
}

TEST_F(Compile, C2_the_device_belongs_to_the_signature_and_inputs_on_two_devices_are_an_error) {
    auto f = compile("f", [](Array x, Array y) { return x + y; });
    Array here{1.f}, there = Array{1.f}.to("cpu");
    EXPECT_TRUE(contains(message_of<UsageError>([&] { f(here, there); }), "cpu"));
    EXPECT_EQ(f.traces(), 0u);
    EXPECT_EQ(floats(f(here, here)), (std::vector<float>{2}));
    EXPECT_EQ(f.traces(), 1u);
    EXPECT_EQ(floats(f(there, there)), (std::vector<float>{2}));
    EXPECT_EQ(f.traces(), 2u);
    f(here, here);
    f(there, there);
    EXPECT_EQ(f.traces(), 2u);
}

TEST_F(Compile, C3_a_shapeless_trace_serves_every_size) {
    auto f = compile("normalise", [](Array x) { return x / sum(x, -1, true); }, {.shapeless = true});
    for (std::int64_t count : {2, 3, 17, 100}) {
        const std::vector<float> y = floats(f(ramp(count) + 1.0f));
        EXPECT_EQ(y.size(), static_cast<std::size_t>(count));
        EXPECT_NEAR(y[0], 2.0 / (static_cast<double>(count) * (static_cast<double>(count) + 1)), 1e-6);
    }
    EXPECT_EQ(f.traces(), 1u);
    f(Array{5.f}); // a size of 1 broadcasts: another signature
    EXPECT_EQ(f.traces(), 2u);
    f(Array{1, 2});
    EXPECT_EQ(f.traces(), 3u);
}

TEST_F(Compile, C3_sizes_stay_symbolic_in_ops_that_use_them) {
    auto f = compile("f",
                     [](Array x) {
                         return reshape(x, {x.shape(0) * x.shape(1)}) +
                                arange(x.shape(0) * x.shape(1), Dtype::f32);
                     },
                     {.shapeless = true});
    EXPECT_EQ(floats(f(zeros({2, 3}))), (std::vector<float>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(floats(f(zeros({3, 2}))), (std::vector<float>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(floats(f(ones({2, 2}))), (std::vector<float>{1, 2, 3, 4}));
    EXPECT_EQ(f.traces(), 1u);
}

TEST_F(Compile, C3_a_size_that_became_a_number_is_a_guard) {
    auto f = compile("f", [](Array x) { return x * static_cast<float>(static_cast<int>(x.shape(0))); },
                     {.shapeless = true});
    EXPECT_EQ(floats(f(ones({2}))), (std::vector<float>{2, 2}));
    EXPECT_EQ(floats(f(ones({3}))), (std::vector<float>{3, 3, 3}));
    EXPECT_EQ(floats(f(ones({2}))), (std::vector<float>{2, 2}));
    EXPECT_EQ(f.traces(), 2u);
}

TEST_F(Compile, C3_a_compared_size_is_a_guard) {
    auto f = compile("f", [](Array x) { return x.shape(0) > 4 ? x * 10.0f : x; }, {.shapeless = true});
    EXPECT_EQ(floats(f(ones({2})))[0], 1);
    EXPECT_EQ(floats(f(ones({3})))[0], 1);
    EXPECT_EQ(f.traces(), 1u);
    EXPECT_EQ(floats(f(ones({5})))[0], 10);
    EXPECT_EQ(floats(f(ones({50})))[0], 10);
    EXPECT_EQ(floats(f(ones({4})))[0], 1);
    EXPECT_EQ(f.traces(), 2u);
}

TEST_F(Compile, C3_ops_that_need_equal_sizes_record_it) {
    auto f = compile("f", [](Array x, Array y) { return x + y; }, {.shapeless = true});
    EXPECT_EQ(floats(f(ones({3}), ones({3}))), (std::vector<float>{2, 2, 2}));
    EXPECT_EQ(floats(f(ones({5}), ones({5}))).size(), 5u);
    EXPECT_EQ(f.traces(), 1u);
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { f(ones({3}), ones({4})); }), "f: add"));
}

TEST_F(Compile, C3_strict_refuses_guards_on_sizes_at_the_line_that_causes_them) {
    auto number = compile("number", [](Array x) { return x * static_cast<float>(x.shape(0).value()); },
                          {.shapeless = true, .strict = true});
    EXPECT_TRUE(contains(message_of<TraceError>([&] { number(ones({2})); }), "compile_test.cpp:"));
    auto compared = compile("compared", [](Array x) { return x.shape(0) == 2 ? x : -x; },
                            {.shapeless = true, .strict = true});
    EXPECT_TRUE(contains(message_of<TraceError>([&] { compared(ones({2})); }), "compile_test.cpp:"));
    auto fine = compile("fine", [](Array x, Array y) { return x + y; }, {.shapeless = true, .strict = true});
    EXPECT_EQ(floats(fine(ones({2}), ones({2}))).size(), 2u);
}

TEST_F(Compile, C4_a_compiled_function_inlines_into_the_trace_that_calls_it) {
    int runs = 0;
    auto inner = compile("inner", [&](Array x) {
        ++runs;
        return x + 1.0f;
    });
    auto outer = compile("outer", [&](Array x) { return inner(inner(x)) * 2.0f; });
    EXPECT_EQ(floats(outer(Array{1.f})), (std::vector<float>{6}));
    EXPECT_EQ(runs, 2);
    EXPECT_EQ(inner.traces(), 0u); // its own first call is still to come
    EXPECT_EQ(floats(inner(Array{1.f})), (std::vector<float>{2}));
    EXPECT_EQ(inner.traces(), 1u);
    std::ostringstream text;
    outer.dump(text, Stage::trace, Array{1.f});
    EXPECT_TRUE(contains(text.str(), "add"));
    EXPECT_TRUE(contains(text.str(), "mul"));
}

TEST_F(Compile, C7_a_function_that_traces_itself_without_end_is_an_error_that_names_it) {
    std::optional<Compiled<Array(Array)>> f;
    f = compile("ouroboros", [&](Array x) -> Array { return (*f)(x + 1.0f); });
    EXPECT_TRUE(contains(message_of<TraceError>([&] { (*f)(Array{1.f}); }), "ouroboros"));
    EXPECT_EQ((*f).specializations(), 0u);
}

struct Custom : std::runtime_error {
    using std::runtime_error::runtime_error;
};

TEST_F(Compile, C8_an_exception_reaches_the_caller_with_its_type_and_leaves_nothing_behind) {
    bool fail = true;
    auto f = compile("f", [&](Array x) {
        Array y = exp(x) + x;
        if (fail) throw Custom("no");
        return y;
    });
    const Array x{1.f, 2.f};
    const std::uint64_t before = live_arrays();
    EXPECT_THROW(f(x), Custom);
    EXPECT_EQ(live_arrays(), before);
    EXPECT_EQ(f.specializations(), 0u);
    EXPECT_FALSE(x.is_tracer());
    fail = false;
    EXPECT_EQ(floats(f(x)).size(), 2u);
}

TEST_F(Compile, C8_a_pinned_tracer_on_the_way_out_changes_neither_the_error_nor_the_cleaning_up) {
    const std::uint64_t before = live_arrays();
    {
        auto f = compile("f", [](Array x) -> Array {
            Array y = x + 1.0f;
            y.pin();
            throw Custom("no");
        });
        EXPECT_THROW(f(2.0f), Custom);
    }
    EXPECT_EQ(live_arrays(), before);
}

TEST_F(Compile, C9_a_tracer_that_stays_pinned_is_an_error) {
    const std::uint64_t before = live_arrays();
    auto f = compile("pinning", [](Array x) {
        Array y = x + 1.0f;
        y.pin();
        return y * 2.0f;
    });
    const std::string message = message_of<TraceError>([&] { f(2.0f); });
    EXPECT_TRUE(contains(message, "pinning"));
    EXPECT_TRUE(contains(message, "pinned"));
    EXPECT_TRUE(contains(message, "compile_test.cpp:"));
    EXPECT_EQ(live_arrays(), before);
}

TEST_F(Compile, C9_unpinning_below_zero_is_an_error) {
    Array x{1.f};
    x.pin();
    EXPECT_EQ(x.pins(), 1);
    x.unpin();
    EXPECT_THROW(x.unpin(), UsageError);
    EXPECT_EQ(x.pins(), 0);
}

TEST_F(Compile, C10_intermediates_go_with_the_trace) {
    const Array x{1.f, 2.f};
    auto f = compile("f", [](Array a) { return exp(a) * log(a) + sqrt(a); });
    const std::uint64_t before = live_arrays();
    f(x);
    EXPECT_EQ(live_arrays(), before);
    const std::uint64_t buffers = context.live_buffers();
    for (int k = 0; k < 10; ++k) f(x);
    EXPECT_EQ(live_arrays(), before);
    EXPECT_EQ(context.live_buffers(), buffers);
}

TEST_F(Compile, C10_outputs_may_be_inputs_or_appear_twice) {
    auto f = compile("f", [](Array x) {
        Array y = x + 1.0f;
        return std::tuple{x, y, y, x};
    });
    const Array x{1.f, 2.f};
    auto [a, b, c, d] = f(x);
    EXPECT_EQ(floats(a), floats(x));
    EXPECT_EQ(floats(b), (std::vector<float>{2, 3}));
    EXPECT_EQ(floats(c), floats(b));
    EXPECT_EQ(floats(d), floats(x));
    EXPECT_EQ(a.data(), x.data());
}

TEST_F(Compile, C10_no_inputs_and_no_outputs) {
    auto none = compile("none", [] { return arange(3, Dtype::f32); });
    EXPECT_EQ(floats(none()), (std::vector<float>{0, 1, 2}));
    EXPECT_EQ(floats(none()), (std::vector<float>{0, 1, 2}));
    EXPECT_EQ(none.traces(), 1u);
    int runs = 0;
    auto nothing = compile("nothing", [&](Array) { ++runs; });
    nothing(Array{1.f});
    nothing(Array{1.f});
    EXPECT_EQ(runs, 1);
}

TEST_F(Compile, C11_errors_name_function_op_line_and_shapes) {
    auto f = compile("product", [](Array x, Array y) { return matmul(x, y); });
    const std::string message = message_of<ShapeError>([&] { f(ones({2, 3}), ones({4, 5})); });
    for (const char* part : {"product", "matmul", "compile_test.cpp:", "f32[2, 3]", "f32[4, 5]"})
        EXPECT_TRUE(contains(message, part));
    auto bits = compile("bits", [](Array x) { return bit_and(x, x); });
    EXPECT_TRUE(contains(message_of<DtypeError>([&] { bits(ones({2})); }), "bits: "));
    auto axis = compile("axis", [](Array x) { return softmax(x, 3); });
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { axis(ones({2})); }), "softmax"));
    static_assert(!std::is_invocable_v<decltype(f), Array>, "arity is part of the type");
}

TEST_F(Compile, C12_a_tracer_kept_beyond_its_trace_is_reported_with_its_place) {
    Array kept;
    auto f = compile("leaky", [&](Array x) {
        kept = x + 1.0f;
        return x * 2.0f;
    });
    const std::string message = message_of<TraceError>([&] { f(Array{1.f}); });
    EXPECT_TRUE(contains(message, "leaky"));
    EXPECT_TRUE(contains(message, "compile_test.cpp:"));
    const std::string later = message_of<TraceError>([&] { kept + 1.0f; });
    EXPECT_TRUE(contains(later, "kept beyond its trace"));
    EXPECT_TRUE(contains(later, "compile_test.cpp:"));
    EXPECT_THROW(kept.eval(), TraceError);
}

TEST_F(Compile, C12_a_tracer_of_one_trace_used_in_another_is_reported) {
    Array kept;
    std::latch made(1), used(1);
    auto outer = compile("outer", [&](Array x) {
        kept = x + 1.0f;
        made.count_down();
        used.wait();
        kept = Array();
        return x;
    });
    std::thread other([&] { outer(Array{1.f}); });
    made.wait();
    auto inner = compile("inner", [&](Array y) { return y + kept; });
    const std::string message = message_of<TraceError>([&] { inner(Array{1.f}); });
    used.count_down();
    other.join();
    EXPECT_TRUE(contains(message, "outer")) << message;
    EXPECT_TRUE(contains(message, "inner")) << message;
    EXPECT_TRUE(contains(message, "compile_test.cpp:")) << message;
}

TEST_F(Compile, C4_an_inlined_function_uses_tracers_of_the_trace_around_it) {
    Array kept;
    auto inner = compile("inner", [&](Array y) { return y + kept; });
    auto f = compile("outer", [&](Array x) {
        kept = x + 1.0f;
        Array y = inner(x);
        kept = Array();
        return y;
    });
    EXPECT_EQ(floats(f(Array{1.f})), (std::vector<float>{3}));
}

TEST_F(Compile, C13_captured_arrays_are_inputs_by_identity_and_frozen) {
    Array weight = arange(100, Dtype::f32).eval();
    auto f = compile("f", [&](Array x) { return x + weight; });
    EXPECT_EQ(floats(f(0.0f))[99], 99);
    const Array old = weight;
    const std::uint64_t buffers = context.live_buffers();
    weight = ones({100}).eval();
    EXPECT_EQ(context.live_buffers(), buffers + 1); // nothing was copied
    EXPECT_EQ(floats(f(0.0f))[99], 99);
    auto again = compile("f", [&](Array x) { return x + weight; });
    EXPECT_EQ(floats(again(0.0f))[99], 1);
}

TEST_F(Compile, C14_destroying_a_function_frees_everything_once) {
    const std::uint64_t arrays = live_arrays();
    Array weight = arange(100, Dtype::f32).eval();
    for (int k = 0; k < 20; ++k) {
        const float factor = static_cast<float>(k);
        auto f = compile("f", [weight, factor](Array x) { return x * factor + weight; });
        EXPECT_EQ(floats(f(Array{1.f}))[1], factor + 1); // never another function's answer
        auto copy = f;
    }
    weight = Array();
    EXPECT_EQ(live_arrays(), arrays);
    EXPECT_EQ(context.statistics().live_specializations, 0u);
    EXPECT_EQ(context.statistics().live_programs, 1u); // that of arange
    EXPECT_EQ(context.live_buffers(), 0u);
}

struct Layer {
    Array weight, bias;
};
struct Listed {
    explicit Listed(Array inner) : inner_(std::move(inner)) {}
    const Array& inner() const { return inner_; }
    friend auto heddle_fields(Listed& value) { return std::tie(value.inner_); }
    friend auto heddle_fields(const Listed& value) { return std::tie(value.inner_); }

private:
    Array inner_;
};

TEST_F(Compile, C15_any_mix_of_structures_goes_in_and_out) {
    auto f = compile("f", [](const Layer& layer, std::vector<Array> parts, std::array<Array, 2> pair,
                             std::optional<Array> maybe) {
        Array total = layer.weight + layer.bias + pair[0] * pair[1];
        for (const Array& part : parts) total += part;
        if (maybe) total += *maybe;
        return std::tuple{Layer{total, layer.bias}, std::vector{total, -total}};
    });
    const Array one{1.f};
    auto [layer, list] = f(Layer{one, one}, {one, one, one}, {one, one}, {});
    EXPECT_EQ(floats(layer.weight)[0], 6);
    EXPECT_EQ(floats(list.at(1))[0], -6);
    EXPECT_EQ(f.traces(), 1u);
    f(Layer{one, one}, {one}, {one, one}, {});
    EXPECT_EQ(f.traces(), 2u); // another length is another signature
    auto [other, more] = f(Layer{one, one}, {one}, {one, one}, one);
    EXPECT_EQ(floats(other.weight)[0], 5);
    auto g = compile("g", [](Listed listed) { return Listed(listed.inner() * 2.0f); });
    EXPECT_EQ(floats(g(Listed(one)).inner())[0], 2);
}

TEST_F(Compile, C15_numbers_are_parameters_of_the_trace) {
    auto f = compile("f", [](Array x, Array t) { return x * t; });
    const Array x{1.f, 2.f};
    for (int k = 0; k < 100; ++k)
        EXPECT_EQ(floats(f(x, 0.5f * static_cast<float>(k)))[1], static_cast<float>(k));
    EXPECT_EQ(f.traces(), 1u);
    EXPECT_EQ(f(x, 2).dtype(), Dtype::f32); // a number takes the array's dtype
    static_assert(requires { f(1, 2.0); });
}

TEST_F(Compile, C16_calls_leave_the_number_of_live_things_where_it_was) {
    auto f =
        compile("f", [](Array x, Array y) { return std::tuple{x + y, sum(x * y)}; }, {.shapeless = true});
    const Array x{1.f, 2.f};
    f(x, 1.0f);
    const std::uint64_t arrays = live_arrays(), buffers = context.live_buffers(),
                        programs = context.statistics().live_programs;
    for (int k = 0; k < 10000; ++k) f(x, static_cast<float>(k));
    EXPECT_EQ(live_arrays(), arrays);
    EXPECT_EQ(context.live_buffers(), buffers);
    EXPECT_EQ(context.statistics().live_programs, programs);
}

Array helper(const Array& x) { return x.item<float>() > 0 ? x : -x; }

TEST_F(Compile, C17_reading_a_tracer_is_a_located_error) {
    std::ostringstream out;
    const std::vector<std::function<Array(Array)>> readers{
        [](Array x) { return x.eval(); },
        [](Array x) { return x * x.item<float>(); },
        [](Array x) { return x ? x : -x; },
        [&](Array x) {
            out << x;
            return x;
        },
        [](Array x) { return x * x.to_vector<float>()[0]; },
        [](Array x) { return helper(x + 1.0f); },
    };
    for (std::size_t k = 0; k < readers.size(); ++k) {
        auto f = compile("reader", readers[k]);
        const std::string message = message_of<TraceError>([&] { f(Array{1.f}); });
        EXPECT_TRUE(contains(message, "reader"));
        EXPECT_TRUE(contains(message, "not known while the function is traced"));
        EXPECT_TRUE(contains(message, "compile_test.cpp:")) << message;
        EXPECT_FALSE(contains(message, "array_text.cpp")) << message;
        EXPECT_FALSE(contains(message, ":0")) << message;
    }
}

TEST_F(Compile, a_moved_array_is_given_away) {
    auto f = compile("f", [](Array x) { return x + 1.0f; });
    Array x{1.f, 2.f};
    const Array y = f(std::move(x));
    EXPECT_FALSE(x.has_value());
    EXPECT_EQ(floats(y), (std::vector<float>{2, 3}));
}

TEST_F(Compile, what_a_function_cannot_be_is_said_with_its_name_and_the_call) {
    const auto message_of_call = [](const char* schedule, Array (*body)(Array)) {
        return message_of<UsageError>(
            [&] { (void)compile("f", body, {.schedule = schedule})(ones({4}).to("cpu")); });
    };
    const auto add_one = [](Array x) { return x + 1.0f; };
    const std::string interpreted = message_of<UsageError>(
        [&] { (void)compile("f", add_one, {.schedule = "foo(1)"})(ones({4}).to("interp")); });
    for (const std::string& message : {interpreted, message_of_call("foo(1)", add_one),
                                       message_of_call("cpu_column(vector=3, block=1)", add_one),
                                       message_of_call("", [](Array) { return Array(); })}) {
        EXPECT_TRUE(message.starts_with("f: ")) << message;
        EXPECT_TRUE(contains(message, "compile_test.cpp:")) << message;
    }
}

} // namespace
