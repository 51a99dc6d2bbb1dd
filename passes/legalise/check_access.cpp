#include "passes/legalise/check_access.h"

#include "passes/legalise/widen_rebase.h"
#include "passes/rewrite.h"

#include <heddle/error.h>

#include <fmt/format.h>

namespace heddle::passes {

using namespace ir;

namespace {

NodeId memory_of(const Function& kernel, NodeId access) {
    return kernel.operand(access, kernel.op(access) == Op::store ? 1 : 0);
}

/// The pointer parameter behind an access, by its position among the pointers; -1 for arrays of the kernel itself.
i64 pointer_of(const Function& kernel, NodeId access) {
    NodeId memory = memory_of(kernel, access);
    while (kernel.op(memory) == Op::rebase) memory = kernel.operand(memory, 0);
    i64 position = 0;
    for (NodeId parameter : kernel.parameters()) {
        if (parameter == memory) return position;
        position += kernel.type(parameter).kind == TypeKind::pointer;
    }
    return -1;
}

/// Calls `visit(node, pointer)` for each access through a pointer parameter, in order.
template <class Visit> void for_each_access(const Function& kernel, const Visit& visit) {
    for (u32 k = 0; k < kernel.size(); ++k) {
        const NodeId node{k};
        if (kernel.op(node) != Op::load && kernel.op(node) != Op::store) continue;
        if (const i64 pointer = pointer_of(kernel, node); pointer >= 0)
            visit(node, static_cast<u32>(pointer));
    }
}

class Checker {
public:
    explicit Checker(Function& kernel) : kernel_(kernel), places_(kernel.size(), -1) {
        for (NodeId parameter : kernel.parameters())
            pointers_ += kernel.type(parameter).kind == TypeKind::pointer;
        i64 next = pointers_;
        for_each_access(kernel, [&](NodeId node, u32) { places_[node.value] = next++; });
    }

    Function& run() {
        return rewrite(
            kernel_,
            [&](Rewriter& r, NodeId old) -> NodeId {
                if (r.from().op(old) == Op::rebase) note_rebase(r, old);
                return places_[old.value] < 0 ? NodeId{} : checked(r, old);
            },
            [&](Rewriter& r, const std::function<void()>& body) {
                KernelBuilder& k = r.kernel();
                for (i64 pointer = 0; pointer < pointers_; ++pointer)
                    sizes_.push_back(k.load(report_, k.index(pointer), 1));
                body();
            },
            [&](Rewriter& r) { report_ = r.kernel().pointer("report", Dtype::i64); });
    }

private:
    void note_rebase(Rewriter& r, NodeId old) {
        const Function& from = r.from();
        NodeId offset = wide_index(r, from.operand(old, 1));
        if (const auto outer = offsets_.find(from.operand(old, 0).value); outer != offsets_.end())
            offset = r.kernel().add(outer->second, offset);
        offsets_[old.value] = offset;
    }

    /// The element that each lane touches, counted from the start of its buffer.
    NodeId elements(Rewriter& r, NodeId old, u32 lanes) {
        KernelBuilder& k = r.kernel();
        const Function& from = r.from();
        const NodeId index = from.operand(old, from.op(old) == Op::store ? 2 : 1);
        NodeId element = k.cast(r.mapped(index), Dtype::i64);
        if (from.type(index).lanes < lanes) element = k.add(k.cast(k.lanes(lanes), Dtype::i64), element);
        const auto offset = offsets_.find(memory_of(from, old).value);
        return offset == offsets_.end() ? element : k.add(element, offset->second);
    }

    NodeId checked(Rewriter& r, NodeId old) {
        KernelBuilder& k = r.kernel();
        const Function& from = r.from();
        const bool store = from.op(old) == Op::store;
        const std::size_t first = store ? 1 : 0;
        const u32 lanes = from.type(store ? from.operand(old, 0) : old).lanes;
        std::vector<NodeId> operands = r.mapped(from.operands(old));
        const NodeId element = elements(r, old, lanes);
        const NodeId size = sizes_[static_cast<std::size_t>(pointer_of(from, old))];
        const NodeId behind_start = k.binary(Op::ge, element, k.constant(Dtype::i64, 0));
        NodeId inside = k.binary(Op::bit_and, behind_start, k.binary(Op::lt, element, size));
        NodeId outside = k.unary(Op::bit_not, inside);
        if (operands.size() > first + 2) {
            outside = k.binary(Op::bit_and, operands[first + 2], outside);
            inside = k.binary(Op::bit_and, operands[first + 2], inside);
            operands[first + 2] = inside;
        } else {
            operands.push_back(inside);
            if (!store) operands.push_back(k.constant(from.dtype(old), 0));
        }
        report(k, places_[old.value], outside, element);
        const Node& node = from[old];
        return k.function().make(node.op, node.type, operands, node.attributes, node.location);
    }

    /// Of several lanes, or invocations, any one will do.
    void report(KernelBuilder& k, i64 place, NodeId outside, NodeId element) {
        const NodeId nothing = k.constant(Dtype::i64, static_cast<u64>(no_index));
        NodeId found = k.select(outside, element, k.splat(nothing, k.width(outside)));
        if (k.width(found) > 1) found = k.vector_reduce(found, Op::maximum);
        k.if_then(k.binary(Op::ne, found, nothing), [&] {
            k.store(found, report_, k.index(place));
            return std::vector<NodeId>{};
        });
    }

    Function& kernel_;
    i64 pointers_ = 0;
    std::vector<i64> places_; ///< in the report, by node; -1: not checked
    NodeId report_;
    std::vector<NodeId> sizes_;
    std::unordered_map<u32, NodeId> offsets_; ///< of rebased pointers
};

} // namespace

std::vector<CheckedAccess> checked_accesses(const Function& kernel) {
    std::vector<NodeId> pointers;
    for (NodeId parameter : kernel.parameters())
        if (kernel.type(parameter).kind == TypeKind::pointer) pointers.push_back(parameter);
    std::vector<CheckedAccess> accesses;
    for_each_access(kernel, [&](NodeId node, u32 pointer) {
        std::string what = fmt::format("{} %{}", kernel.op(node) == Op::store ? "store to" : "load from",
                                       kernel.name_of(pointers[pointer]));
        if (const LocationId place = kernel[node].location; place.valid()) {
            const Location& location = kernel.module().locations[place.value];
            what += fmt::format(" at {}:{}", location.file, location.line);
        }
        accesses.push_back({pointer, std::move(what)});
    });
    return accesses;
}

Function& check_access(Function& kernel, const Target& target) {
    if (!target.check_access) return kernel;
    if (!target.has_i64)
        throw DeviceError(
            fmt::format("kernel @{}: accesses are checked with 64-bit integers, which {} has not",
                        kernel.name(), target.name));
    return Checker(kernel).run();
}

} // namespace heddle::passes
