// Regions, loops, conditions, and the one place that knows every kind of op.

#include "codegen/llvm/kernel_emitter.h"

namespace heddle::codegen::cpu {

using namespace ir;
using ::llvm::BasicBlock;
using ::llvm::PHINode;

BasicBlock* KernelEmitter::new_block(const char* name) { return BasicBlock::Create(context_, name, body_); }

void KernelEmitter::emit_region(const Region& region) {
    for (NodeId node : region.body) emit_node(node);
}

KernelEmitter::Value* KernelEmitter::emit_value(NodeId node) {
    const Op op = kernel_.op(node);
    switch (info(op).kind) {
    case OpKind::elementwise:
    case OpKind::predicate:
    case OpKind::choice: return emit_row(node);
    case OpKind::convert: return op == Op::cast ? emit_cast(node) : emit_bitcast(node);
    case OpKind::creation:
        if (op != Op::constant) break;
        return constant(kernel_.dtype(node), static_cast<u64>(kernel_.payload(node, Key::value)[0]));
    case OpKind::vector: return emit_vector(node);
    case OpKind::memory: return emit_memory(node);
    case OpKind::position: {
        if (op != Op::grid_index) break;
        const auto axis = static_cast<std::size_t>(kernel_.integer(node, Key::at));
        return axis < grid_.size() ? grid_[axis] : builder_.getInt64(0);
    }
    case OpKind::index_math: {
        if (op == Op::lanes) return emit_lanes(node);
        if (op != Op::divmod) break;
        emit_divmod(node);
        return nullptr;
    }
    case OpKind::special: {
        if (op != Op::result) break;
        return results_.at(kernel_.operand(node, 0).value)
            .at(static_cast<std::size_t>(kernel_.integer(node, Key::at)));
    }
    case OpKind::control: emit_control(node); return values_[node.value];
    case OpKind::movement:
    case OpKind::reduction:
    case OpKind::contraction:
    case OpKind::access:
    case OpKind::custom:
    case OpKind::synchronise: break;
    }
    cannot(node, "not in a kernel for a CPU");
}

void KernelEmitter::emit_node(NodeId node) { values_[node.value] = emit_value(node); }

void KernelEmitter::set_results(NodeId node, std::vector<Value*> results) {
    if (results.size() == 1) values_[node.value] = results[0];
    results_[node.value] = std::move(results);
}

void KernelEmitter::emit_control(NodeId node) {
    if (kernel_.op(node) == Op::for_loop) return emit_for(node);
    if (kernel_.op(node) == Op::if_then) return emit_if(node);
    cannot(node, "not in a kernel for a CPU");
}

/// The test stands at the end, behind a first one: what does not change is then hoisted without further proof.
void KernelEmitter::emit_for(NodeId node) {
    if (kernel_.has(node, Key::interleave)) cannot(node, "the pass interleave must rewrite it");
    const std::span<const NodeId> operands = kernel_.operands(node);
    const Region& region = kernel_.region(node, 0);
    Value* low = value(operands[0]);
    Value* high = value(operands[1]);
    BasicBlock* before = builder_.GetInsertBlock();
    BasicBlock* loop = new_block("loop");
    BasicBlock* after = new_block("after");
    std::vector<Value*> initial;
    for (std::size_t k = 3; k < operands.size(); ++k)
        initial.push_back(value(operands[k], lanes(region.parameters[k - 2])));
    builder_.CreateCondBr(builder_.CreateICmpSLT(low, high), loop, after);

    builder_.SetInsertPoint(loop);
    std::vector<PHINode*> carried;
    for (std::size_t k = 0; k < region.parameters.size(); ++k) {
        Value* start = k == 0 ? low : initial[k - 1];
        carried.push_back(builder_.CreatePHI(start->getType(), 2));
        carried.back()->addIncoming(start, before);
        values_[region.parameters[k].value] = carried.back();
    }
    emit_region(region);
    std::vector<Value*> next{builder_.CreateAdd(carried[0], value(operands[2]), "", false, true)};
    for (std::size_t k = 0; k < region.yields.size(); ++k)
        next.push_back(value(region.yields[k], lanes(region.parameters[k + 1])));
    BasicBlock* end = builder_.GetInsertBlock();
    for (std::size_t k = 0; k < carried.size(); ++k) carried[k]->addIncoming(next[k], end);
    builder_.CreateCondBr(builder_.CreateICmpSLT(next[0], high), loop, after);

    builder_.SetInsertPoint(after);
    std::vector<Value*> results;
    for (std::size_t k = 0; k < initial.size(); ++k) {
        PHINode* result = builder_.CreatePHI(initial[k]->getType(), 2);
        result->addIncoming(initial[k], before);
        result->addIncoming(next[k + 1], end);
        results.push_back(result);
    }
    set_results(node, std::move(results));
}

void KernelEmitter::emit_if(NodeId node) {
    BasicBlock* after = new_block("joined");
    BasicBlock* sides[2] = {new_block("then"), after};
    const u32 count = kernel_[node].region_count;
    if (count == 2) sides[1] = new_block("else");
    builder_.CreateCondBr(value(kernel_.operand(node, 0)), sides[0], sides[1]);
    std::vector<Value*> values[2];
    for (u32 k = 0; k < count; ++k) {
        const Region& region = kernel_.region(node, k);
        builder_.SetInsertPoint(sides[k]);
        emit_region(region);
        for (std::size_t y = 0; y < region.yields.size(); ++y) {
            const u32 width =
                std::max<u32>(lanes(region.yields[y]), lanes(kernel_.region(node, 0).yields[y]));
            values[k].push_back(value(region.yields[y], width));
        }
        sides[k] = builder_.GetInsertBlock();
        builder_.CreateBr(after);
    }
    builder_.SetInsertPoint(after);
    std::vector<Value*> results;
    for (std::size_t y = 0; y < values[0].size(); ++y) {
        PHINode* result = builder_.CreatePHI(values[0][y]->getType(), 2);
        for (u32 k = 0; k < count; ++k) result->addIncoming(values[k][y], sides[k]);
        results.push_back(result);
    }
    set_results(node, std::move(results));
}

} // namespace heddle::codegen::cpu
