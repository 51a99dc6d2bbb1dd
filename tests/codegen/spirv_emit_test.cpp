#include "codegen/spirv/emit.h"
#include "passes/legalise/spirv_pipeline.h"
#include "tests/codegen/spirv_kernels.h"

#include <heddle/error.h>

#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace heddle::codegen::testing {
namespace {

using ir::NodeId;
using ir::Op;
using ::testing::HasSubstr;
using ::testing::Not;

/// y[i] = f(x[i], z[i]) over one dtype.
std::string elementwise(Dtype dtype, const std::function<NodeId(ir::KernelBuilder&, NodeId, NodeId)>& f) {
    TestKernel k("elementwise");
    const NodeId x = k.build.pointer("x", dtype), z = k.build.pointer("z", dtype),
                 y = k.build.pointer("y", dtype);
    const NodeId n = k.size("n"), i = k.global_index();
    k.below(i, n, [&] { k.build.store(f(k.build, k.build.load(x, i, 1), k.build.load(z, i, 1)), y, i); });
    return assembly(k);
}

TEST(SpirvEmit, AddOfFloatsIsOneInstructionThatMayNotContract) {
    const std::string text =
        elementwise(Dtype::f32, [](ir::KernelBuilder& k, NodeId a, NodeId b) { return k.add(a, b); });
    EXPECT_THAT(text, HasSubstr("OpFAdd %float"));
    EXPECT_THAT(text, HasSubstr("NoContraction"));
    EXPECT_THAT(text, HasSubstr("OpMemoryModel PhysicalStorageBuffer64 Vulkan"));
    EXPECT_THAT(text, HasSubstr("SignedZeroInfNanPreserve 32"));
    EXPECT_THAT(text, Not(HasSubstr("OpCapability Int64")));
}

TEST(SpirvEmit, BuffersThatAreOnlyReadAreNotWritable) {
    const std::string text =
        elementwise(Dtype::f32, [](ir::KernelBuilder& k, NodeId a, NodeId b) { return k.mul(a, b); });
    EXPECT_THAT(text, HasSubstr("NonWritable"));
}

TEST(SpirvEmit, SignednessIsInTheOpcode) {
    const auto less = [](ir::KernelBuilder& k, NodeId a, NodeId b) {
        return k.select(k.binary(Op::lt, a, b), a, b);
    };
    EXPECT_THAT(elementwise(Dtype::i32, less), HasSubstr("OpSLessThan"));
    EXPECT_THAT(elementwise(Dtype::u32, less), HasSubstr("OpULessThan"));
    EXPECT_THAT(elementwise(Dtype::i32, less), Not(HasSubstr("OpTypeInt 32 1")));
}

TEST(SpirvEmit, AMathRowAtTheEmittersDoorIsNamed) {
    TestKernel k("tanh_stays");
    const NodeId x = k.build.pointer("x", Dtype::f32), i = k.global_index();
    k.build.store(k.build.unary(Op::tanh, k.build.load(x, i, 1)), x, i);
    try {
        spirv::emit(k.function(), gpu_target());
        FAIL() << "emitted";
    } catch (const InternalError& error) {
        EXPECT_THAT(error.what(), HasSubstr("'tanh'"));
        EXPECT_THAT(error.what(), HasSubstr("@tanh_stays"));
    }
}

/// y[i] = x[i] + x[i], or not x[i].
void build_double(TestKernel& k, Dtype dtype) {
    const NodeId x = k.build.pointer("x", dtype), y = k.build.pointer("y", dtype), i = k.global_index();
    const NodeId v = k.build.load(x, i, 4);
    k.build.store(dtype == Dtype::boolean ? k.build.unary(Op::bit_not, v) : k.build.add(v, v), y, i);
}

TEST(SpirvEmit, WhatTheDeviceLacksIsAnErrorThatNamesIt) {
    struct Row {
        Dtype dtype;
        bool ir::Target::* lacks;
        const char* message;
    };
    for (const Row& row : {Row{Dtype::i8, &ir::Target::has_i8_arithmetic, "8-bit arithmetic"},
                           Row{Dtype::u16, &ir::Target::has_i16_arithmetic, "16-bit arithmetic"},
                           Row{Dtype::f16, &ir::Target::has_16bit_storage, "16-bit storage"},
                           Row{Dtype::f16, &ir::Target::has_f16_arithmetic, "16-bit float arithmetic"},
                           Row{Dtype::bf16, &ir::Target::has_i16_arithmetic, "16-bit arithmetic"},
                           Row{Dtype::boolean, &ir::Target::has_i8_arithmetic, "8-bit arithmetic"},
                           Row{Dtype::boolean, &ir::Target::has_8bit_storage, "8-bit storage"},
                           Row{Dtype::i64, &ir::Target::has_i64, "64-bit integers"},
                           Row{Dtype::f64, &ir::Target::has_f64, "64-bit floats"}}) {
        TestKernel k("refused");
        build_double(k, row.dtype);
        ir::Target target = gpu_target();
        target.*row.lacks = false;
        try {
            emit_valid(k, target);
            ADD_FAILURE() << "emitted with " << name_of(row.dtype) << " and no " << row.message;
        } catch (const DeviceError& error) {
            EXPECT_THAT(error.what(), HasSubstr(row.message));
            EXPECT_THAT(error.what(), HasSubstr("@refused"));
        }
    }
}

/// Whether a module declares the capability.
bool declares(std::span<const std::byte> code, u32 capability) {
    std::vector<u32> words(code.size() / 4);
    std::memcpy(words.data(), code.data(), code.size());
    constexpr u32 op_capability = 2 << 16 | 17;
    for (std::size_t at = 5; words[at] == op_capability; at += 2)
        if (words[at + 1] == capability) return true;
    return false;
}

/// y[0, ...] = x[0, ...] rounded to bf16, for a device that does so by itself, or not.
Artifact rounded_to_bf16(u32 lanes, bool by_device) {
    TestKernel k("rounded");
    const NodeId x = k.build.pointer("x", Dtype::f32), y = k.build.pointer("y", Dtype::bf16);
    const NodeId value = k.build.load(x, k.build.index(0), lanes, {.align = 4 * lanes});
    k.build.store(k.build.cast(value, Dtype::bf16), y, k.build.index(0), {.align = 2 * lanes});
    ir::Target target = gpu_target();
    target.has_bf16_rounding = by_device;
    return spirv::emit(passes::legalise_for_spirv(k.function(), target), target);
}

TEST(SpirvEmit, ADeviceThatRoundsToBf16IsAskedTo) {
    constexpr u32 bfloat16_type = 5116;
    for (u32 lanes : {1u, 2u, 4u, 8u, 16u}) {
        EXPECT_TRUE(declares(rounded_to_bf16(lanes, true).code, bfloat16_type)) << lanes;
        EXPECT_FALSE(declares(rounded_to_bf16(lanes, false).code, bfloat16_type)) << lanes;
    }
}

TEST(SpirvEmit, RoundingToBf16ByTheDeviceIsValid) {
    for (u32 lanes : {1u, 2u, 4u, 8u, 16u}) expect_valid(rounded_to_bf16(lanes, true).code);
}

TEST(SpirvEmit, indices_of_64_bits_on_a_device_without_such_integers_are_refused_with_the_reason) {
    TestKernel k("long_one", 64, 0, 64);
    build_double(k, Dtype::f32);
    ir::Target target = gpu_target();
    target.has_i64 = false;
    target.name = "Small GPU";
    try {
        emit_valid(k, target);
        ADD_FAILURE() << "emitted";
    } catch (const DeviceError& error) {
        EXPECT_STREQ(
            error.what(),
            "kernel @long_one needs indices of 64 bits for its sizes: Small GPU has no 64-bit integers");
    }
}

} // namespace
} // namespace heddle::codegen::testing
