#pragma once
// The walk over one legalised kernel that makes its LLVM IR, mechanically: a node is an instruction or two. Two functions come out: the
// entry point, which reads the argument block, and the body, which has every parameter as an argument of its own, because
// only arguments can be `noalias`.
//
//     define void @name(ptr %parameters, i64 %first, i64 %last, ptr %scratch) { ... call void @name.body(...) }
//     define internal void @name.body(ptr noalias %x, ..., i64 %n, ..., i64 %first, i64 %last) { for each grid index: the kernel }

#include "ir/kernel_builder.h"
#include "ir/target.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <unordered_map>
#include <vector>

namespace heddle::codegen::cpu {

class KernelEmitter {
public:
    KernelEmitter(const ir::Function& kernel, const ir::Target& target, ::llvm::Module& module);
    void run();

private:
    using NodeId = ir::NodeId;
    using Value = ::llvm::Value;

    // ---- emit.cpp: the frame
    void find_written();
    void emit_body(::llvm::Function* body);
    void emit_entry(::llvm::Function* entry, ::llvm::Function* body);
    ::llvm::Function* make_body();
    std::vector<NodeId> scratch_arrays() const;
    Value* load_parameter(Value* block, u32 position);
    Value* load_magic(Value* block, u32 offset);
    void bind_arguments(::llvm::Function* body);
    void emit_grid(::llvm::Function* body, Value* first, Value* last);
    void split_grid(Value* flat);
    Value* size_value(ir::DimId size);
    [[noreturn]] void cannot(NodeId node, std::string_view why) const;

    // ---- emit_values.cpp: types, constants, arithmetic
    ::llvm::Type* element_type(Dtype dtype) const;
    ::llvm::Type* memory_type(Dtype dtype) const;
    ::llvm::Type* with_lanes(::llvm::Type* element, u32 lanes) const;
    ::llvm::Type* value_type(const ir::Type& type) const {
        return with_lanes(element_type(type.dtype), type.lanes);
    }
    ::llvm::Constant* constant(Dtype dtype, u64 bits) const;
    Value* value(NodeId node) const;
    /// The value with that many lanes: a scalar is repeated.
    Value* value(NodeId node, u32 lanes);
    u32 lanes(NodeId node) const { return kernel_.type(node).lanes; }
    Value* emit_row(NodeId node);
    Value* emit_cast(NodeId node);
    Value* emit_bitcast(NodeId node);
    Value* emit_vector(NodeId node);
    Value* emit_vector_reduce(NodeId node);
    Value* emit_lanes(NodeId node);
    void emit_divmod(NodeId node);

    // ---- emit_memory.cpp
    struct Access {
        Value* place;       ///< a pointer, or a vector of pointers
        ::llvm::Type* type; ///< in memory
        ::llvm::Align align;
        NodeId mask; ///< invalid if none
        bool scattered;
    };
    Access access(NodeId node, NodeId memory, NodeId index, NodeId mask, const ir::Type& value);
    Value* emit_load(NodeId node);
    Value* load_plain(const Access& access);
    Value* load_masked(const Access& access, Value* mask, Value* otherwise);
    Value* load_branching(const Access& access, Value* condition, Value* otherwise);
    void emit_store(NodeId node);
    void store_plain(NodeId node, const Access& access, Value* stored);
    void store_streamed(const Access& access, Value* stored, u64 bytes);
    Value* to_memory(Value* value, Dtype dtype);
    Value* from_memory(Value* value, Dtype dtype);
    void emit_local(NodeId node);
    Value* emit_memory(NodeId node);

    // ---- emit_control.cpp
    ::llvm::BasicBlock* new_block(const char* name);
    void emit_region(const ir::Region& region);
    void emit_node(NodeId node);
    Value* emit_value(NodeId node);
    void emit_control(NodeId node);
    void emit_for(NodeId node);
    void emit_if(NodeId node);
    void set_results(NodeId node, std::vector<Value*> results);

    const ir::Function& kernel_;
    const ir::Target& target_;
    const ir::KernelInfo info_;
    ::llvm::Module& module_;
    ::llvm::LLVMContext& context_;
    ::llvm::IRBuilder<> builder_;
    ::llvm::Function* body_ = nullptr;
    std::vector<Value*> values_;
    std::unordered_map<u32, std::vector<Value*>> results_; ///< of nodes with several
    std::vector<Value*> grid_;                             ///< index along each grid axis
    std::vector<bool> written_;                            ///< pointer parameters that are stored to
    bool streams_ = false;                                 ///< some store goes past the caches
};

} // namespace heddle::codegen::cpu
