// Custom kernels whose code is SPIR-V: how it is launched, and what is said of words that are wrong or ask for what is not there.

#include "codegen/spirv/resources.h"
#include "custom_kernels.h"
#include "fixture.h"
#include "frontend/context_state.h"
#include "tests/runtime/vulkan_kernels.h"

#include <heddle/error.h>

#include <cstring>
#include <sstream>

using namespace heddle;
using namespace heddle::tests;

namespace {

SpirvCode words_of(const codegen::Artifact& artifact) {
    SpirvCode code{.words = std::vector<std::uint32_t>(artifact.code.size() / 4), .entry = "add"};
    std::memcpy(code.words.data(), artifact.code.data(), artifact.code.size());
    return code;
}

/// z = x + y over f32, as SPIR-V in both forms.
CustomDescription add_description() {
    return {
        .name = "sums",
        .inputs = {{Dtype::f32}, {Dtype::f32}},
        .outputs = {Dtype::f32},
        .sizes = {"n"},
        .measure =
            [](std::span<const Shape> in) {
                const Dim n = in[0].elements();
                return CustomSizes{.outputs = {in[0]}, .sizes = {n}, .grid = {(n + 63) / 64}};
            },
        .spirv = words_of(runtime::testing::add_kernel(0, false)),
        .spirv_descriptors = words_of(runtime::testing::add_kernel(0, true)),
    };
}

class R7_CustomSpirv : public ::testing::Test {
protected:
    Context context{ContextOptions{.device = "vulkan", .cache_directory = ""}};
    Context::Scope scope{context};
    const CustomKernel add{add_description()};
};

TEST_F(R7_CustomSpirv, runs_among_fused_ops_at_every_size) {
    const auto f = compile("f", [k = add](Array x, Array y) { return k({x * 2.0f, transpose(y)}) + 1.0f; },
                           {.shapeless = true, .strict = true});
    for (std::int64_t rows : {1, 3, 500}) {
        const Array x = reshape(arange(rows * 7, Dtype::f32), {rows, 7}), y = ones({7, rows});
        const std::vector<float> got = floats(f(x, y));
        for (std::size_t k = 0; k < got.size(); ++k) ASSERT_EQ(got[k], 2.0f * static_cast<float>(k) + 2.0f);
    }
    EXPECT_EQ(f.traces(), 2u) << "one for a size of 1, one for all others";
    std::ostringstream report, code;
    f.dump(report, Stage::report, ones({3, 7}), ones({7, 3}));
    EXPECT_TRUE(contains(report.str(), "in 4 kernels with "));
    EXPECT_TRUE(contains(report.str(), "kernel @sums: custom, 3 buffers\n"));
    f.dump(code, Stage::spirv, ones({3, 7}), ones({7, 3}));
    EXPECT_TRUE(contains(code.str(), "; kernel sums\n"));
    EXPECT_TRUE(contains(code.str(), " \"add\" "));
}

TEST_F(R7_CustomSpirv, runs_lazily_and_takes_precedence_over_the_text) {
    CustomDescription description = add_description();
    for (const std::string target : {"cpu", "gpu"})
        description.kernel += "kernel @wrong_" + target +
                              "(%x: ptr<f32>, %y: ptr<f32>, %z: ptr<f32>) {target = " + target +
                              ", grid = [1], index = 32} {\n  store -1.0, %z[0]\n}\n";
    const CustomKernel both(description);
    EXPECT_EQ(floats(both({Array{1.f, 2.f}, Array{3.f, 4.f}})), (std::vector<float>{4, 6}));
    Context cpu{ContextOptions{.device = "cpu", .cache_directory = ""}};
    const Context::Scope on_cpu(cpu);
    const Array one = Array{1.f};
    EXPECT_EQ(floats(both({one, one})), (std::vector<float>{-1}));
}

TEST_F(R7_CustomSpirv, is_refused_where_a_size_does_not_fit_its_parameter) {
    CustomDescription description = add_description();
    description.measure = [](std::span<const Shape> in) {
        return CustomSizes{.outputs = {in[0]}, .sizes = {in[0][0] * (std::int64_t{1} << 30)}, .grid = {1}};
    };
    const auto f =
        compile("f", [k = CustomKernel(description)](Array x) { return k({x, x}); }, {.shapeless = true});
    f(ones({3})).wait();
    EXPECT_TRUE(
        contains(message_of<ShapeError>([&] { f(ones({4})).wait(); }),
                 "f: custom kernel sums is not for these sizes: it asks for ?n * 1073741824 < 4294967296"));
}

TEST_F(R7_CustomSpirv, reads_arguments_beyond_128_bytes_from_memory) {
    CustomDescription description = add_description();
    description.spirv = words_of(runtime::testing::add_kernel(100, false));
    description.spirv_descriptors = words_of(runtime::testing::add_kernel(100, true));
    for (int k = 0; k < 26; ++k) description.sizes.push_back("unused" + std::to_string(k));
    description.measure = [](std::span<const Shape> in) {
        const Dim n = in[0].elements();
        CustomSizes sizes{.outputs = {in[0]}, .sizes = {n}, .grid = {(n + 63) / 64}};
        sizes.sizes.resize(27, 7);
        return sizes;
    };
    const CustomKernel kernel(description);
    const auto f = compile("f", [kernel](Array x) { return kernel({x, x + 1.0f}); }, {.shapeless = true});
    for (std::int64_t count : {3, 1000}) {
        const std::vector<float> got = floats(f(arange(count, Dtype::f32)));
        for (std::size_t k = 0; k < got.size(); ++k) ASSERT_EQ(got[k], 2.0f * static_cast<float>(k) + 1.0f);
    }
}

TEST_F(R7_CustomSpirv, with_a_grid_that_the_device_cannot_run_is_an_error) {
    CustomDescription description = add_description();
    description.measure = [](std::span<const Shape> in) {
        return CustomSizes{.outputs = {in[0]}, .sizes = {in[0][0]}, .grid = {1, in[0][0] * 1'000'000'000}};
    };
    const CustomKernel kernel(description);
    EXPECT_TRUE(contains(message_of<UsageError>([&] { kernel({ones({3}), ones({3})}).wait(); }),
                         "kernel sums cannot be launched: 3000000000 blocks along axis 1, the device takes"));
    description.measure = [](std::span<const Shape> in) {
        return CustomSizes{.outputs = {in[0]}, .sizes = {in[0][0]}};
    };
    const CustomKernel without(description);
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { without({ones({3}), ones({3})}); }),
                         "sums: `measure` gives 0 grid extents, expected 1 to 3"));
}

/// The words of one instruction, operands behind its first word.
std::span<std::uint32_t> instruction(SpirvCode& code, std::uint32_t op) {
    for (std::size_t at = 5; at < code.words.size(); at += code.words[at] >> 16)
        if ((code.words[at] & 0xFFFF) == op)
            return std::span(code.words).subspan(at + 1, (code.words[at] >> 16) - 1);
    ADD_FAILURE() << "no instruction " << op;
    return {};
}

TEST_F(R7_CustomSpirv, of_one_name_and_interface_is_told_apart_by_its_words) {
    CustomDescription description = add_description();
    constexpr std::uint32_t add_floats = 129, subtract_floats = 131;
    for (SpirvCode* code : {&description.spirv, &description.spirv_descriptors})
        for (std::size_t at = 5; at < code->words.size(); at += code->words[at] >> 16)
            if ((code->words[at] & 0xFFFF) == add_floats) code->words[at] += subtract_floats - add_floats;
    const CustomKernel subtract(description);
    const Array x = Array{5.f}, y = Array{3.f};
    const auto f = compile("f", [a = add, s = subtract](Array v, Array w) { return a({s({v, w}), w}); });
    EXPECT_EQ(floats(add({x, y})), std::vector<float>{8});
    EXPECT_EQ(floats(subtract({x, y})), std::vector<float>{2});
    EXPECT_EQ(floats(f(x, y)), std::vector<float>{5});
}

TEST_F(R7_CustomSpirv, that_asks_for_what_the_device_has_not_is_an_error_that_names_it) {
    auto with = [&](auto change) {
        CustomDescription description = add_description();
        for (SpirvCode* code : {&description.spirv, &description.spirv_descriptors}) change(*code);
        const CustomKernel kernel(description);
        return message_of<DeviceError>([&] { kernel({ones({3}), ones({3})}).wait(); });
    };
    auto capability = [](std::uint32_t number) {
        return
            [number](SpirvCode& code) { code.words.insert(code.words.begin() + 5, {2u << 16 | 17, number}); };
    };
    const std::string message = with(capability(2)); // geometry shaders
    EXPECT_TRUE(contains(message, "kernel sums cannot run on "));
    EXPECT_TRUE(contains(message, "it needs the SPIR-V capability 2, which the device does not give"));
    EXPECT_TRUE(contains(message, "(custom_spirv_test.cpp:"));
    constexpr std::uint32_t execution_mode = 16;
    EXPECT_TRUE(contains(with([&](SpirvCode& code) { instruction(code, execution_mode)[2] = 1 << 20; }),
                         "it has 1048576 invocations a block, the device "));
}

/// The error for the words that `change` makes of the right ones.
template <class Change> std::string refusal(Change change) {
    CustomDescription description = add_description();
    change(description.spirv);
    const std::string message = message_of<UsageError>([&] { CustomKernel wrong(std::move(description)); });
    EXPECT_TRUE(contains(message, "custom kernel 'sums' has wrong code in `spirv`: "));
    EXPECT_TRUE(contains(message, "(custom_spirv_test.cpp:"));
    return message;
}

TEST(R7_CustomCode, that_is_no_module_is_refused_with_the_reason) {
    EXPECT_TRUE(contains(refusal([](SpirvCode& code) { code.words.resize(3); }), "given 3 words"));
    EXPECT_TRUE(contains(refusal([](SpirvCode& code) { code.words[0] = 7; }), "given 0x00000007"));
    EXPECT_TRUE(contains(refusal([](SpirvCode& code) { code.words[0] = 0x03022307; }), "other byte order"));
    EXPECT_TRUE(contains(refusal([](SpirvCode& code) { code.words[1] = 0x00010600; }), "given 1.6"));
    EXPECT_TRUE(contains(refusal([](SpirvCode& code) { code.words.pop_back(); }), "not valid"));
    EXPECT_TRUE(contains(refusal([](SpirvCode& code) { code.words[5] = 0; }), "the instruction at word 5"));
    EXPECT_TRUE(contains(refusal([](SpirvCode& code) { code.words.back() = 0x00090000; }),
                         "has 9 words, 1 are left"));
    EXPECT_TRUE(contains(refusal([](SpirvCode& code) { code.entry = "sub"; }),
                         "no compute entry point 'sub'; it has 'add'"));
    EXPECT_TRUE(contains(refusal([](SpirvCode& code) { code.words[3] = 2; }), "not valid"));
}

TEST(R7_CustomCode, of_one_form_is_refused_as_the_other) {
    CustomDescription description = add_description();
    description.spirv_descriptors = description.spirv;
    EXPECT_TRUE(contains(message_of<UsageError>([&] { CustomKernel wrong(std::move(description)); }),
                         "wrong code in `spirv_descriptors`: the SPIR-V has pointers to buffers"));
    description = add_description();
    description.spirv = description.spirv_descriptors;
    EXPECT_TRUE(contains(message_of<UsageError>([&] { CustomKernel wrong(std::move(description)); }),
                         "wrong code in `spirv`: it has a descriptor at binding 0 of set 0 that belongs into "
                         "`spirv_descriptors` (custom_spirv_test.cpp:"));
}

TEST(R7_CustomCode, that_takes_other_arguments_than_a_launch_gives_is_refused) {
    auto with = [](auto change) {
        CustomDescription description = add_description();
        change(description);
        return message_of<UsageError>([&] { CustomKernel wrong(std::move(description)); });
    };
    using D = CustomDescription;
    EXPECT_TRUE(
        contains(with([](D& d) { d.sizes.push_back("m"); }),
                 "wrong code in `spirv`: its push constants are 28 bytes long, expected 32 (arrays: 3, "
                 "sizes: 2) (custom_spirv_test.cpp:"));
    EXPECT_TRUE(
        contains(with([](D& d) { d.temporaries = {Dtype::f32}; }), "expected 36 (arrays: 4, sizes: 1)"));
    EXPECT_TRUE(contains(with([](D& d) { d.inputs.pop_back(); }), "expected 20 (arrays: 2, sizes: 1)"));
    EXPECT_TRUE(contains(with([](D& d) { d.inputs.resize(30); }), "expected 8 (arrays: 31, sizes: 1)"));
    auto by_descriptors = [&](auto change) {
        return with([&](D& d) {
            d.spirv = {};
            change(d);
        });
    };
    EXPECT_TRUE(contains(by_descriptors([](D& d) { d.sizes.push_back("m"); }),
                         "wrong code in `spirv_descriptors`: its push constants are 28 bytes long"));
    EXPECT_TRUE(contains(by_descriptors([](D& d) {
                             d.inputs.pop_back(); // as many bytes
                             d.sizes = {"n", "m", "k"};
                         }),
                         "it has a descriptor at binding 2 of set 0 that is none of the storage buffers 0 to "
                         "1 of set 0"));
}

// ---- what a module asks for

std::vector<std::uint32_t> assembled(const std::string& decorations, const std::string& types) {
    codegen::Artifact artifact;
    artifact.code = runtime::testing::assemble(R"(
OpCapability Shader
OpCapability Int64
OpMemoryModel Logical GLSL450
OpEntryPoint GLCompute %main "main"
OpExecutionMode %main LocalSize 1 1 1
)" + decorations + R"(
%void = OpTypeVoid
%function = OpTypeFunction %void
%uint = OpTypeInt 32 0
%long = OpTypeInt 64 0
%float = OpTypeFloat 32
%three = OpConstant %uint 3
%five = OpSpecConstant %uint 5
)" + types + R"(
%main = OpFunction %void None %function
%entry = OpLabel
OpReturn
OpFunctionEnd
)");
    return words_of(artifact).words;
}

TEST(SpirvResources, are_the_bytes_of_push_constants_as_they_lie_in_memory) {
    const codegen::spirv::Resources found = codegen::spirv::resources_of(assembled(R"(
OpDecorate %sizes ArrayStride 4
OpMemberDecorate %pair 0 Offset 0
OpMemberDecorate %pair 1 Offset 8
OpMemberDecorate %block 0 Offset 0
OpMemberDecorate %block 1 Offset 32
OpMemberDecorate %block 2 Offset 16
OpDecorate %block Block
)",
                                                                                   R"(
%sizes = OpTypeArray %uint %three
%pair = OpTypeStruct %long %uint
%block = OpTypeStruct %long %sizes %pair
%pointer = OpTypePointer PushConstant %block
%push = OpVariable %pointer PushConstant
)"));
    EXPECT_EQ(found.push_bytes, std::vector<std::uint32_t>{44}) << "the array of three is last";
    EXPECT_EQ(found.capabilities, (std::vector<std::string>{"Shader", "Int64"}));
    EXPECT_TRUE(found.bindings.empty());
    EXPECT_EQ(found.shared_bytes, 0u);
}

TEST(SpirvResources, are_descriptors_and_shared_memory) {
    std::vector<std::uint32_t> words = assembled(R"(
OpDecorate %floats ArrayStride 4
OpMemberDecorate %buffer 0 Offset 0
OpDecorate %buffer Block
OpMemberDecorate %old 0 Offset 0
OpDecorate %old Block
OpDecorate %one DescriptorSet 0
OpDecorate %one Binding 4
OpDecorate %many DescriptorSet 1
OpDecorate %many Binding 0
OpDecorate %older DescriptorSet 0
OpDecorate %older Binding 2
)",
                                                 R"(
%floats = OpTypeRuntimeArray %float
%buffer = OpTypeStruct %floats
%old = OpTypeStruct %uint
%buffers = OpTypeArray %buffer %three
%to_buffer = OpTypePointer StorageBuffer %buffer
%to_buffers = OpTypePointer StorageBuffer %buffers
%to_old = OpTypePointer Uniform %old
%one = OpVariable %to_buffer StorageBuffer
%many = OpVariable %to_buffers StorageBuffer
%older = OpVariable %to_old Uniform
%row = OpTypeArray %float %five
%rows = OpTypeArray %row %three
%vector = OpTypeVector %float 4
%to_rows = OpTypePointer Workgroup %rows
%to_vector = OpTypePointer Workgroup %vector
%shared = OpVariable %to_rows Workgroup
%more = OpVariable %to_vector Workgroup
)");
    const codegen::spirv::Resources uniform = codegen::spirv::resources_of(words);
    ASSERT_EQ(uniform.bindings.size(), 3u);
    EXPECT_FALSE(uniform.bindings[2].is_storage_buffer);
    // The last block's decoration, as modules before 1.4 have it and the assembler no longer writes it.
    constexpr std::uint32_t decorate = 3u << 16 | 71, block = 2, buffer_block = 3;
    std::size_t last = 0;
    for (std::size_t at = 5; at < words.size(); at += words[at] >> 16)
        if (words[at] == decorate && words[at + 2] == block) last = at + 2;
    words[last] = buffer_block;
    const codegen::spirv::Resources found = codegen::spirv::resources_of(words);
    ASSERT_EQ(found.bindings.size(), 3u);
    EXPECT_EQ(found.bindings[0].number, 4u);
    EXPECT_TRUE(found.bindings[0].is_storage_buffer);
    EXPECT_EQ(found.bindings[1].set, 1u);
    EXPECT_FALSE(found.bindings[1].is_storage_buffer) << "three of them";
    EXPECT_TRUE(found.bindings[2].is_storage_buffer) << "by another name";
    EXPECT_EQ(found.shared_bytes, 3 * 5 * 4 + 16u);
}

} // namespace
