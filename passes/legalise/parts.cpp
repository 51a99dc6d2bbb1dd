#include "passes/legalise/parts.h"

#include <heddle/error.h>

namespace heddle::passes {

using namespace ir;

std::vector<NodeId> Parts::of(NodeId old) const {
    const Function& from = rewriter_->from();
    if (from.op(old) == Op::result) {
        const u64 key = u64{from.operand(old, 0).value} << 32 | static_cast<u32>(from.integer(old, Key::at));
        if (const auto found = results_.find(key); found != results_.end()) return found->second;
    }
    const auto found = parts_.find(old.value);
    return found == parts_.end() ? std::vector{rewriter_->mapped(old)} : found->second;
}

NodeId Parts::set(NodeId old, std::vector<NodeId> parts) {
    const NodeId first = parts[0];
    rewriter_->map(old, first);
    parts_[old.value] = std::move(parts);
    return first;
}

void Parts::set_result(NodeId old, u32 k, std::vector<NodeId> parts) {
    rewriter_->map_result(old, k, parts[0]);
    results_[u64{old.value} << 32 | k] = std::move(parts);
}

std::vector<NodeId> Parts::yields(const Region& region) {
    rewriter_->copy_body(region);
    std::vector<NodeId> flat;
    for (NodeId yield : region.yields)
        for (NodeId part : of(yield)) flat.push_back(part);
    return flat;
}

NodeId Parts::hand_out(NodeId old, std::span<const NodeId> results, std::span<const std::size_t> counts) {
    std::size_t next = 0;
    for (u32 k = 0; k < counts.size(); ++k) {
        const std::span<const NodeId> mine = results.subspan(next, counts[k]);
        next += counts[k];
        if (counts.size() == 1) return set(old, {mine.begin(), mine.end()});
        set_result(old, k, {mine.begin(), mine.end()});
    }
    // The op itself is read by its `result` nodes alone, which have what they need.
    return rewriter_->kernel().index(0);
}

NodeId Parts::condition(NodeId old) {
    const Function& from = rewriter_->from();
    std::vector<std::size_t> counts(from.region(old, 0).yields.size());
    const auto body = [&](u32 k) -> KernelBuilder::Body {
        return [this, &from, &counts, old, k] {
            const Region& region = from.region(old, k);
            std::vector<NodeId> flat = yields(region);
            for (std::size_t v = 0; v < counts.size(); ++v) counts[v] = of(region.yields[v]).size();
            return flat;
        };
    };
    const NodeId condition = rewriter_->mapped(from.operand(old, 0));
    const bool otherwise = from[old].region_count == 2;
    return hand_out(old, rewriter_->kernel().if_then(condition, body(0), otherwise ? body(1) : nullptr),
                    counts);
}

NodeId Parts::loop(NodeId old) {
    const Function& from = rewriter_->from();
    const std::span<const NodeId> operands = from.operands(old);
    const Region& region = from.region(old, 0);
    std::vector<std::size_t> counts;
    std::vector<NodeId> initial;
    for (NodeId operand : operands.subspan(3)) {
        const std::vector<NodeId> mine = of(operand);
        counts.push_back(mine.size());
        initial.insert(initial.end(), mine.begin(), mine.end());
    }
    const auto body = [&](NodeId index, std::span<const NodeId> carried) {
        rewriter_->map(region.parameters[0], index);
        std::size_t next = 0;
        for (std::size_t k = 0; k < counts.size(); ++k) {
            const std::span<const NodeId> mine = carried.subspan(next, counts[k]);
            next += counts[k];
            set(region.parameters[k + 1], {mine.begin(), mine.end()});
        }
        return yields(region);
    };
    const std::vector<NodeId> bounds = rewriter_->mapped(operands.first(3));
    return hand_out(old, rewriter_->kernel().for_loop(bounds[0], bounds[1], bounds[2], initial, body),
                    counts);
}

NodeId Parts::control(NodeId old) {
    const Op op = rewriter_->from().op(old);
    if (op == Op::for_loop) return loop(old);
    if (op == Op::if_then) return condition(old);
    throw InternalError("legalise: a region op other than for and if");
}

} // namespace heddle::passes
