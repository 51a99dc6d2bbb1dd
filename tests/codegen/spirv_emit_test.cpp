#include "codegen/spirv/emit.h"
#include "tests/codegen/spirv_kernels.h"

#include <heddle/error.h>

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
