// What is said of a custom kernel whose description, text or call is wrong. SPIR-V has a file of its own.

#include "custom_kernels.h"
#include "fixture.h"

#include <heddle/error.h>

using namespace heddle;
using namespace heddle::tests;

namespace {

template <class E = UsageError, class Change> std::string description_error(Change change) {
    CustomDescription description = saxpy_description();
    change(description);
    return message_of<E>([&] { CustomKernel wrong(std::move(description)); });
}

TEST(R7_CustomCode, in_text_is_checked_when_the_kernel_is_made) {
    using D = CustomDescription;
    EXPECT_TRUE(contains(description_error([](D& d) { d.name = "a b"; }), "'a b' needs a name of letters"));
    EXPECT_TRUE(contains(description_error([](D& d) { d.outputs = {}; }), "has no outputs"));
    EXPECT_TRUE(contains(description_error([](D& d) { d.measure = nullptr; }), "has no `measure`"));
    EXPECT_TRUE(contains(description_error([](D& d) { d.kernel = ""; }), "has no code"));
    EXPECT_TRUE(
        contains(description_error([](D& d) { d.sizes = {"m"}; }), "uses ?n, which is not among its sizes"));
    EXPECT_TRUE(contains(description_error([](D& d) { d.sizes = {"n", "n"}; }), "each name once"));
    EXPECT_TRUE(
        contains(description_error([](D& d) { d.temporaries = {Dtype::f32}; }),
                 "temporaries of f32, f32, f32, f32, f32; @saxpy has pointers to f32, f32, f32, f32"));
    EXPECT_TRUE(contains(description_error([](D& d) { d.outputs = {Dtype::i32}; }),
                         "f32, f32, f32, i32; @saxpy has"));
    EXPECT_TRUE(
        contains(description_error([](D& d) { d.inputs[0].dtype = Dtype::index; }), "array of index"));
    EXPECT_TRUE(contains(description_error<ParseError>([](D& d) { d.kernel = "kernel @k(\n"; }), "saxpy:"));
    EXPECT_TRUE(contains(description_error([](D& d) { d.kernel = "func @f() -> () {\n  return\n}\n"; }),
                         "no kernel"));
    EXPECT_TRUE(contains(
        description_error<ParseError>([](D& d) { // a barrier on the CPU
            d.kernel = "kernel @k(%a: ptr<f32>, %b: ptr<f32>, %c: ptr<f32>, %d: ptr<f32>) {target = "
                       "cpu, grid = [1], index = 64} {\n  barrier {memory = [global]}\n}\n";
        }),
        "saxpy:2:3: rule 7: @k: barrier: stands in a CPU kernel, which has one invocation a grid index "
        "(custom_code_test.cpp:"));
    EXPECT_TRUE(
        contains(description_error([](D& d) {
                     d.kernel = "kernel @k(%a: ptr<f32>, %b: ptr<f32>, %c: ptr<f32>, %d: ptr<f32>) {target = "
                                "cpu, grid = [1], index = 64} when ?n % 4 == 0 {\n}\n";
                 }),
                 "has conditions on the last kernel of a target"));
}

// ---- calls

CustomKernel made(const CustomDescription& description) { return CustomKernel(description); }

class R7_CustomCalls : public ::testing::TestWithParam<const char*> {
protected:
    Context context{ContextOptions{.device = GetParam(), .cache_directory = ""}};
    Context::Scope scope{context};
    const CustomKernel kernel = saxpy();
    const Array x = ones({4});
};

TEST_P(R7_CustomCalls, with_wrong_inputs_are_errors_that_name_kernel_line_expected_and_given) {
    const std::string count = message_of<ShapeError>([&] { kernel({1.0f, x}); });
    EXPECT_TRUE(
        contains(count, "saxpy: takes 3 inputs, 2 are given; given 1 and f32[4] (custom_code_test.cpp:"));
    EXPECT_TRUE(
        contains(message_of<DtypeError>([&] { kernel({1.0f, ones({4}, Dtype::i32), x}); }),
                 "saxpy: input 1 is f32, i32 is given; given 1, i32[4] and f32[4] (custom_code_test.cpp:"));
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { kernel({1.0f, ones({2, 2}), x}); }),
                         "saxpy: input 1 has rank 1, rank 2 is given; given 1, f32[2, 2] and f32[4]"));
    const auto f = compile("f", [k = kernel](Array v) { return k({v, v, v}); });
    EXPECT_TRUE(
        contains(message_of<ShapeError>([&] { f(x); }), "f: saxpy: input 0 has rank 0, rank 1 is given"));
    EXPECT_TRUE(contains(message_of<UsageError>([&] { kernel({1.0f, Array(), x}); }), "an empty array"));
}

TEST_P(R7_CustomCalls, with_what_measure_gets_wrong_are_errors) {
    auto with = [&](CustomSizes sizes) {
        CustomDescription description = saxpy_description();
        description.measure = [sizes](std::span<const Shape>) { return sizes; };
        const CustomKernel wrong(std::move(description));
        return message_of<ShapeError>([&] { wrong({1.0f, x, x}); });
    };
    EXPECT_TRUE(
        contains(with({.outputs = {}, .sizes = {4}}), "saxpy: `measure` gives 0 outputs, the kernel has 1"));
    EXPECT_TRUE(contains(with({.outputs = {{4}}, .sizes = {}}), "`measure` gives 0 sizes, the kernel has 1"));
    EXPECT_TRUE(contains(with({.outputs = {{4}}, .sizes = {4}, .temporaries = {4}}), "gives 1 temporaries"));
    EXPECT_TRUE(contains(with({.outputs = {{-4}}, .sizes = {4}}), "`measure` gives -4: a size of output 0"));
    EXPECT_TRUE(contains(with({.outputs = {{4}}, .sizes = {-1}}), "`measure` gives -1: size n"));
    EXPECT_TRUE(contains(with({.outputs = {{4}}, .sizes = {4}, .grid = {1, 1, 1, 1}}), "4 grid extents"));
    EXPECT_TRUE(contains(with({.outputs = {{4}}, .sizes = {4}, .grid = {1, -2}}),
                         "`measure` gives -2: an extent of the grid"));
    CustomDescription description = saxpy_description();
    description.measure = [](std::span<const Shape> in) { return CustomSizes{.outputs = {{in[1][3]}}}; };
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { made(description)({1.0f, x, x}); }),
                         "saxpy: axis 3 is out of range for rank 1; given"));
}

TEST_P(R7_CustomCalls, with_sizes_for_which_a_grid_in_the_text_is_negative_are_errors) {
    CustomDescription description = saxpy_description();
    for (const std::string rounded : {"(?n + 255) / 256", "(?n + 63) / 64"})
        description.kernel.replace(description.kernel.find(rounded), rounded.size(), "?n - 9");
    const CustomKernel wrong(description);
    const auto f = compile("f", [wrong](Array v) { return wrong({1.0f, v, v}); }, {.shapeless = true});
    EXPECT_EQ(floats(f(ones({10})))[9], 2.0f);
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { f(x).wait(); }),
                         "f: custom kernel saxpy is not for these sizes: it asks for 0 <= ?n - 9 "
                         "(custom_code_test.cpp:"));
    const std::string lazily = message_of<ShapeError>([&] { wrong({1.0f, x, x}).wait(); });
    EXPECT_TRUE(contains(lazily, "custom kernel saxpy is not for these sizes: it asks for 0 <= -5 "
                                 "(custom_code_test.cpp:"));
}

TEST_P(R7_CustomCalls, keep_the_type_of_what_measure_throws) {
    struct Mine : std::runtime_error {
        using std::runtime_error::runtime_error;
    };
    CustomDescription description = saxpy_description();
    description.measure = [](std::span<const Shape>) -> CustomSizes { throw Mine("of mine"); };
    const CustomKernel wrong(description);
    EXPECT_EQ(message_of<Mine>([&] { wrong({1.0f, x, x}); }), "of mine");
    const auto f = compile("f", [wrong](Array v) { return wrong({1.0f, v, v}); });
    EXPECT_EQ(message_of<Mine>([&] { f(x); }), "of mine");
    EXPECT_EQ(floats(kernel({1.0f, x, x}))[0], 2.0f) << "this thread records as before";
}

TEST_P(R7_CustomCalls, take_as_many_arrays_as_a_vector_has) {
    std::vector<Array> inputs{Array(3.0f), x, x};
    EXPECT_EQ(floats(kernel.call(inputs)[0]), std::vector<float>(4, 4.0f));
    inputs.pop_back();
    EXPECT_TRUE(
        contains(message_of<ShapeError>([&] { kernel.call(inputs); }),
                 "saxpy: takes 3 inputs, 2 are given; given f32[] and f32[4] (custom_code_test.cpp:"));
}

TEST_P(R7_CustomCalls, work_with_every_copy_of_a_kernel) {
    CustomKernel first = saxpy();
    const CustomKernel second = std::move(first);
    EXPECT_EQ(floats(first({1.0f, x, x})), floats(second({1.0f, x, x}))) << "a kernel is never empty";
}

TEST_P(R7_CustomCalls, where_there_is_no_code_say_what_to_give) {
    CustomDescription other = saxpy_description();
    const std::size_t second = other.kernel.find("kernel @saxpy_gpu");
    const bool is_cpu = std::string(GetParam()) == "cpu";
    other.kernel = is_cpu ? other.kernel.substr(second) : other.kernel.substr(0, second);
    const std::string message = message_of<UsageError>([&] { made(other)({1.0f, x, x}); });
    EXPECT_TRUE(contains(message, std::string("saxpy: this kernel has no code for device ") + GetParam()));
    EXPECT_TRUE(
        contains(message, is_cpu ? "give it `kernel` with target = cpu" : "or `kernel` with target = gpu"));
    const auto f = compile("f", [k = CustomKernel(other)](Array v) { return k({1.0f, v, v}); });
    EXPECT_TRUE(contains(message_of<UsageError>([&] { f(x); }), "f: saxpy: this kernel has no code"));
}

TEST_P(R7_CustomCalls, of_kernels_with_several_outputs_are_made_with_call) {
    EXPECT_TRUE(
        contains(message_of<UsageError>([&] { doubled_and_whole()({x}); }), "gives 2 arrays: use call()"));
}

TEST_P(R7_CustomCalls, outside_their_buffers_are_found_by_check_access) {
    Context checking{ContextOptions{.device = GetParam(), .cache_directory = "", .check_access = true}};
    const Context::Scope inside{checking};
    CustomDescription description = saxpy_description();
    EXPECT_EQ(floats(made(description)({1.0f, ones({4}), ones({4})})), std::vector<float>(4, 2.0f));
    description.measure = [](std::span<const Shape> in) {
        return CustomSizes{.outputs = {in[1]}, .sizes = {70}};
    };
    EXPECT_TRUE(contains(
        message_of<InternalError>([&] { made(description)({1.0f, ones({4}), ones({4})}).wait(); }), "of 4"));
}

INSTANTIATE_TEST_SUITE_P(On, R7_CustomCalls, ::testing::Values("cpu", "vulkan"),
                         [](const auto& info) { return std::string(info.param); });

// ---- the interpreter's device

class R7_CustomReference : public FrontendTest {
protected:
    static CustomKernel with(std::function<std::vector<Array>(std::span<const Array>)> reference) {
        CustomDescription description = saxpy_description();
        description.reference = std::move(reference);
        return CustomKernel(std::move(description));
    }
    const Array x = Array{1.f, 2.f};
};

TEST_F(R7_CustomReference, stands_for_the_kernel_lazily_and_traced) {
    const CustomKernel kernel =
        with([](std::span<const Array> in) { return std::vector{in[0] * in[1] + in[2]}; });
    EXPECT_EQ(floats(kernel({3, x, x * 2.0f})), (std::vector<float>{5, 10}));
    const auto f =
        compile("f", [kernel](Array a, Array v) { return kernel({a, v + 1.0f, v}); }, {.shapeless = true});
    EXPECT_EQ(floats(f(2.0f, x)), (std::vector<float>{5, 8}));
    EXPECT_EQ(floats(f(2.0f, Array{0.f, 0.f, 1.f})), (std::vector<float>{2, 2, 5}));
    EXPECT_EQ(f.traces(), 1u);
}

TEST_F(R7_CustomReference, has_to_give_what_measure_says) {
    EXPECT_TRUE(contains(message_of<UsageError>([&] { saxpy()({1.0f, x, x}); }),
                         "saxpy: this kernel has no code for device interp: give it `reference`"));
    EXPECT_TRUE(contains(message_of<ShapeError>([&] {
                             with([](std::span<const Array> in) { return std::vector{sum(in[1])}; })(
                                 {1.0f, x, x});
                         }),
                         "saxpy: `reference` gives [] for output 0, `measure` gives [2]"));
    EXPECT_TRUE(contains(message_of<DtypeError>([&] {
                             with([](std::span<const Array> in) {
                                 return std::vector{cast(in[1], Dtype::i32)};
                             })({1.0f, x, x});
                         }),
                         "`reference` gives i32 for output 0, which is f32"));
    EXPECT_TRUE(contains(message_of<ShapeError>([&] {
                             with([](std::span<const Array>) { return std::vector<Array>{}; })({1.0f, x, x});
                         }),
                         "`reference` gives 0 outputs, the kernel has 1"));
}

} // namespace
