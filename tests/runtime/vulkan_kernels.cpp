#include "tests/runtime/vulkan_kernels.h"

#include <cstring>
#include <fmt/format.h>
#include <spirv-tools/libspirv.hpp>
#include <stdexcept>

namespace heddle::runtime::testing {

namespace {

constexpr u32 block = 64;
constexpr u32 argument_bytes = 32; ///< three pointers, n, and four bytes to a multiple of eight

// {0}: what the arguments' members are reached through; {1}: the storage class they are in.
constexpr const char* head = R"(
OpCapability Shader
OpCapability PhysicalStorageBufferAddresses
OpCapability VulkanMemoryModel
OpMemoryModel PhysicalStorageBuffer64 Vulkan
OpEntryPoint GLCompute %main "add" %id %push
OpExecutionMode %main LocalSize 64 1 1
OpDecorate %id BuiltIn GlobalInvocationId
OpDecorate %floats ArrayStride 4
OpMemberDecorate %memory 0 Offset 0
OpDecorate %memory Block
OpMemberDecorate %arguments 0 Offset 0
OpMemberDecorate %arguments 1 Offset 8
OpMemberDecorate %arguments 2 Offset 16
OpMemberDecorate %arguments 3 Offset 24
OpDecorate %arguments Block
)";
constexpr const char* types = R"(
%void = OpTypeVoid
%function = OpTypeFunction %void
%uint = OpTypeInt 32 0
%float = OpTypeFloat 32
%bool = OpTypeBool
%uint3 = OpTypeVector %uint 3
%floats = OpTypeRuntimeArray %float
%memory = OpTypeStruct %floats
%memory_pointer = OpTypePointer PhysicalStorageBuffer %memory
%float_pointer = OpTypePointer PhysicalStorageBuffer %float
%input_uint3 = OpTypePointer Input %uint3
%input_uint = OpTypePointer Input %uint
%arguments = OpTypeStruct %memory_pointer %memory_pointer %memory_pointer %uint
%zero = OpConstant %uint 0
%one = OpConstant %uint 1
%two = OpConstant %uint 2
%three = OpConstant %uint 3
%id = OpVariable %input_uint3 Input
)";
constexpr const char* direct = R"(
%arguments_pointer = OpTypePointer PushConstant %arguments
%member_pointer = OpTypePointer PushConstant %memory_pointer
%member_uint = OpTypePointer PushConstant %uint
%push = OpVariable %arguments_pointer PushConstant
%main = OpFunction %void None %function
%entry = OpLabel
)";
constexpr const char* indirect = R"(
%arguments_pointer = OpTypePointer PhysicalStorageBuffer %arguments
%pushed = OpTypeStruct %arguments_pointer
%pushed_pointer = OpTypePointer PushConstant %pushed
%pushed_member = OpTypePointer PushConstant %arguments_pointer
%member_pointer = OpTypePointer PhysicalStorageBuffer %memory_pointer
%member_uint = OpTypePointer PhysicalStorageBuffer %uint
%push = OpVariable %pushed_pointer PushConstant
%main = OpFunction %void None %function
%entry = OpLabel
%base_at = OpAccessChain %pushed_member %push %zero
%base = OpLoad %arguments_pointer %base_at
)";
// {0} base, {1} memory operands of a load of an argument
constexpr const char* body = R"(
%n_at = OpAccessChain %member_uint {0} %three
%n = OpLoad %uint %n_at {1}
%i_at = OpAccessChain %input_uint %id %zero
%i = OpLoad %uint %i_at
%inside = OpULessThan %bool %i %n
OpSelectionMerge %done None
OpBranchConditional %inside %work %done
%work = OpLabel
%a_at = OpAccessChain %member_pointer {0} %zero
%a = OpLoad %memory_pointer %a_at {1}
%b_at = OpAccessChain %member_pointer {0} %one
%b = OpLoad %memory_pointer %b_at {1}
%y_at = OpAccessChain %member_pointer {0} %two
%y = OpLoad %memory_pointer %y_at {1}
%ai = OpAccessChain %float_pointer %a %zero %i
%bi = OpAccessChain %float_pointer %b %zero %i
%yi = OpAccessChain %float_pointer %y %zero %i
%av = OpLoad %float %ai Aligned 4
%bv = OpLoad %float %bi Aligned 4
%sum = OpFAdd %float %av %bv
OpStore %yi %sum Aligned 4
OpBranch %done
%done = OpLabel
OpReturn
OpFunctionEnd
)";

// {0}: decorations of the arguments; {1}: the storage class they are in.
constexpr const char* described = R"(
OpCapability Shader
OpCapability VulkanMemoryModel
OpMemoryModel Logical Vulkan
OpEntryPoint GLCompute %main "add" %id %a %b %y %arguments
OpExecutionMode %main LocalSize 64 1 1
OpDecorate %id BuiltIn GlobalInvocationId
OpDecorate %floats ArrayStride 4
OpMemberDecorate %memory 0 Offset 0
OpDecorate %memory Block
OpMemberDecorate %block 0 Offset 0
OpMemberDecorate %block 1 Offset 8
OpMemberDecorate %block 2 Offset 16
OpMemberDecorate %block 3 Offset 24
OpDecorate %block Block
OpDecorate %a DescriptorSet 0
OpDecorate %b DescriptorSet 0
OpDecorate %y DescriptorSet 0
OpDecorate %a Binding 0
OpDecorate %b Binding 1
OpDecorate %y Binding 2
OpDecorate %a Aliased
OpDecorate %b Aliased
OpDecorate %y Aliased
{0}
%void = OpTypeVoid
%function = OpTypeFunction %void
%uint = OpTypeInt 32 0
%float = OpTypeFloat 32
%bool = OpTypeBool
%uint3 = OpTypeVector %uint 3
%floats = OpTypeRuntimeArray %float
%memory = OpTypeStruct %floats
%block = OpTypeStruct %uint %uint %uint %uint
%memory_pointer = OpTypePointer StorageBuffer %memory
%float_pointer = OpTypePointer StorageBuffer %float
%block_pointer = OpTypePointer {1} %block
%argument = OpTypePointer {1} %uint
%input_uint3 = OpTypePointer Input %uint3
%input_uint = OpTypePointer Input %uint
%zero = OpConstant %uint 0
%one = OpConstant %uint 1
%two = OpConstant %uint 2
%three = OpConstant %uint 3
%id = OpVariable %input_uint3 Input
%a = OpVariable %memory_pointer StorageBuffer
%b = OpVariable %memory_pointer StorageBuffer
%y = OpVariable %memory_pointer StorageBuffer
%arguments = OpVariable %block_pointer {1}
%main = OpFunction %void None %function
%entry = OpLabel
%n_at = OpAccessChain %argument %arguments %three
%n = OpLoad %uint %n_at
%i_at = OpAccessChain %input_uint %id %zero
%i = OpLoad %uint %i_at
%inside = OpULessThan %bool %i %n
OpSelectionMerge %done None
OpBranchConditional %inside %work %done
%work = OpLabel
%a_field = OpAccessChain %argument %arguments %zero
%b_field = OpAccessChain %argument %arguments %one
%y_field = OpAccessChain %argument %arguments %two
%a_bytes = OpLoad %uint %a_field
%b_bytes = OpLoad %uint %b_field
%y_bytes = OpLoad %uint %y_field
%a_first = OpShiftRightLogical %uint %a_bytes %two
%b_first = OpShiftRightLogical %uint %b_bytes %two
%y_first = OpShiftRightLogical %uint %y_bytes %two
%a_place = OpIAdd %uint %a_first %i
%b_place = OpIAdd %uint %b_first %i
%y_place = OpIAdd %uint %y_first %i
%ai = OpAccessChain %float_pointer %a %zero %a_place
%bi = OpAccessChain %float_pointer %b %zero %b_place
%yi = OpAccessChain %float_pointer %y %zero %y_place
%av = OpLoad %float %ai
%bv = OpLoad %float %bi
%sum = OpFAdd %float %av %bv
OpStore %yi %sum
OpBranch %done
%done = OpLabel
OpReturn
OpFunctionEnd
)";

} // namespace

std::vector<std::byte> assemble(const std::string& text, bool validated) {
    spvtools::SpirvTools tools(SPV_ENV_VULKAN_1_2);
    std::string messages;
    tools.SetMessageConsumer(
        [&](spv_message_level_t, const char*, const spv_position_t& at, const char* message) {
            messages += fmt::format("line {}: {}\n", at.line, message);
        });
    std::vector<u32> words;
    if (!tools.Assemble(text, &words) || (validated && !tools.Validate(words)))
        throw std::runtime_error(messages + text);
    std::vector<std::byte> code(words.size() * 4);
    std::memcpy(code.data(), words.data(), code.size());
    return code;
}

codegen::Artifact add_kernel(u32 padding, bool descriptors) {
    codegen::Artifact artifact;
    artifact.name = "add";
    artifact.pointer_count = 3;
    artifact.parameter_bytes = argument_bytes + padding;
    artifact.block = block;
    bool pushed = artifact.parameter_bytes <= 128;
    if (descriptors) {
        const char* bound = "OpDecorate %arguments DescriptorSet 0\nOpDecorate %arguments Binding 3";
        artifact.code =
            assemble(fmt::format(described, pushed ? "" : bound, pushed ? "PushConstant" : "StorageBuffer"));
        return artifact;
    }
    std::string text = head;
    if (!pushed) text += "OpMemberDecorate %pushed 0 Offset 0\nOpDecorate %pushed Block\n";
    text += types;
    text += pushed ? direct : indirect;
    text += pushed ? fmt::format(body, "%push", "") : fmt::format(body, "%base", "Aligned 8");
    artifact.code = assemble(text);
    return artifact;
}

codegen::Artifact add_kernel_with_subgroup(u32 subgroup) {
    codegen::Artifact artifact = add_kernel();
    artifact.subgroup = subgroup;
    return artifact;
}

Launch add_launch(const ExecutableRef& add, const BufferRef& a, const BufferRef& b, const BufferRef& y,
                  u32 count, u32 padding) {
    Launch launch;
    launch.executable = add;
    launch.buffers = {a, b, y};
    launch.offsets = {0, 0, 0};
    launch.pointer_fields = {0, 8, 16};
    launch.arguments.resize(argument_bytes + padding);
    std::memcpy(launch.arguments.data() + 24, &count, sizeof count);
    launch.grid[0] = (count + block - 1) / block;
    launch.write_mask = 1u << 2;
    return launch;
}

} // namespace heddle::runtime::testing
