#pragma once
// The walk over one kernel behind codegen/spirv/emit.h. State: an id for each node, the block that instructions go to, and three
// parts of the function's text: variables (which SPIR-V wants first), a prologue that reads the arguments, the code.

#include "codegen/artifact.h"
#include "codegen/spirv/module_writer.h"
#include "codegen/spirv/opcodes.h"
#include "ir/kernel_builder.h"

#include <map>

namespace heddle::codegen::spirv {

class KernelEmitter {
public:
    KernelEmitter(const ir::Function& kernel, const ir::Target& target);
    Artifact run();

private:
    using NodeId = ir::NodeId;

    // ---- emit.cpp: the frame
    void scan();
    void emit_arguments();
    u32 pointer_count() const;
    u32 argument_pointer(std::span<const u32> members, std::span<const u32> offsets);
    void emit_parameters(u32 block);
    u32 load_argument(u32 block, u32 member, u32 type, u32 bytes);
    u32 widened_argument(u32 raw, Dtype dtype);
    [[noreturn]] void cannot(NodeId node, std::string_view why) const;

    // ---- emit_values.cpp: types, constants, arithmetic
    static u32 bits(Dtype dtype, u32 index_bits);
    u32 bits(Dtype dtype) const { return bits(dtype, info_.index_bits); }
    u32 scalar_type(Dtype dtype);
    /// Throws DeviceError that names the kernel, the dtype and what the device lacks.
    [[noreturn]] void refuse(Dtype dtype, std::string_view lacks) const;
    void check_arithmetic(Dtype dtype) const;
    u32 value_type(const ir::Type& type);
    u32 type_of(NodeId node) { return value_type(kernel_.type(node)); }
    u32 constant(Dtype dtype, u64 bits);
    u32 constant(Dtype dtype, u64 bits, u32 lanes);
    u32 id(NodeId node) const;
    /// The value with that many lanes: a scalar is repeated.
    u32 id(NodeId node, u32 lanes);
    u32 add(spv::Op op, u32 type, std::initializer_list<u32> operands) {
        return add(op, type, std::span(operands.begin(), operands.size()));
    }
    u32 add(spv::Op op, u32 type, std::span<const u32> operands);
    u32 emit_row(NodeId node);
    u32 emit_reciprocal(ir::NodeId node);
    u32 emit_logic(NodeId node);
    u32 emit_select(NodeId node);
    u32 emit_cast(NodeId node);
    u32 emit_bfloat_rounding(NodeId node);
    u32 cast_to_boolean(NodeId node);
    u32 cast_boolean(NodeId node);
    u32 cast_integer(u32 value, Dtype from, Dtype to, u32 type);
    u32 emit_bitcast(NodeId node);
    u32 emit_lanes(NodeId node);
    u32 emit_vector(NodeId node);
    u32 emit_shuffle(NodeId node);
    void emit_divmod(NodeId node);

    // ---- emit_memory.cpp
    /// A number of elements; id 0 for none.
    struct Offset {
        u32 id = 0;
        u32 bits = 32;
    };
    struct Memory {
        u32 base = 0;    ///< pointer to the buffer's struct, or an array variable
        u32 element = 0; ///< type of one element
        spv::StorageClass storage = spv::StorageClassFunction;
        bool read_only = false; ///< buffers
        Dtype dtype = Dtype::f32;
        u32 lanes = 1;   ///< arrays: lanes of an element
        u32 binding = 0; ///< descriptor mode
        Offset offset{}; ///< likewise: of index 0 in the descriptor
        bool is_buffer() const {
            return storage == spv::StorageClassPhysicalStorageBuffer ||
                   storage == spv::StorageClassStorageBuffer;
        }
    };
    u32 memory_element(Dtype dtype);
    u32 buffer_pointer_type(Dtype dtype, bool read_only);
    Memory buffer(u32 pointer, Dtype dtype, bool read_only);
    u32 element_pointer(NodeId node, const Memory& memory, NodeId index, u32 lanes);
    std::vector<u32> access_operands(NodeId node, const Memory& memory, u32 lanes, bool store);
    u32 emit_load(NodeId node);
    void emit_store(NodeId node);
    void emit_memory(NodeId node);
    void emit_pointer_cast(NodeId node);

    // ---- emit_descriptors.cpp
    u32 descriptor_variable(u32 binding, u32 block);
    Memory described_buffer(u32 binding, Dtype dtype, bool read_only);
    Memory described_parameter(u32 binding, Dtype dtype, bool read_only, u32 field);
    Offset sum(Offset a, Offset b);
    Offset offset_of(NodeId index);
    Memory moved(const Memory& from, NodeId elements);
    Memory described_as(const Memory& from, Dtype dtype);
    u32 described_element(const Memory& memory, NodeId index, u32 lane);
    u32 load_lanes(NodeId node, const Memory& memory, std::span<const u32> operands);
    void store_lanes(NodeId node, const Memory& memory, std::span<const u32> operands);

    // ---- emit_control.cpp
    u32 emit_position(NodeId node);
    void open_block(u32 label);
    void branch(u32 label);
    void emit_region(const ir::Region& region);
    void emit_node(NodeId node);
    void emit_control(NodeId node);
    void emit_for(NodeId node);
    void emit_if(NodeId node);
    void emit_barrier(NodeId node);
    u32 emit_subgroup(NodeId node);
    u32 published_word(NodeId node, u32 operand);
    void emit_publish(NodeId node);
    u32 emit_await(NodeId node);
    void emit_synchronise(NodeId node);

    const ir::Function& kernel_;
    const ir::Target& target_;
    const ir::KernelInfo info_;
    ModuleWriter writer_;
    std::vector<u32> ids_;
    std::unordered_map<u32, std::vector<u32>> results_; ///< of nodes with several
    std::unordered_map<u32, Memory> memory_;            ///< pointers and arrays, by node
    std::unordered_map<u32, u32> bfloats_;              ///< rounded values as what the device rounded to
    std::map<std::pair<u32, u32>, u32> descriptors_;    ///< variables, by binding and type
    spv::StorageClass arguments_in_ = spv::StorageClassPushConstant;
    std::vector<bool> written_;  ///< pointer parameters that are stored to
    std::vector<bool> used_;     ///< parameters that are read
    bool orders_global_ = false; ///< a barrier names global memory
    u32 shared_bytes_ = 0;
    u32 block_ = 0; ///< label of the current block
    Section variables_, prologue_, code_;
    Section* out_ = &code_;
};

} // namespace heddle::codegen::spirv
