#include "passes/traffic.h"

#include "ir/kernel_builder.h"
#include "ir/scalar.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

namespace heddle::passes {

using namespace ir;

namespace {

/// Lanes of an integer or bool; empty where they depend on data.
using Known = std::vector<i64>;

/// Loops up to this length are walked; in longer ones, and in grids, the places where the traffic changes are looked for by bisection.
constexpr i64 most_iterations = 64;

/// Counts one invocation at a time: positions and sizes are known numbers, everything else is not.
class Counter {
public:
    Counter(const Function& kernel, std::span<const i64> symbols)
        : kernel_(kernel), symbols_(symbols), info_(kernel_info(kernel)), values_(kernel.size()) {
        for (NodeId parameter : kernel.parameters())
            if (kernel.has(parameter, Key::size))
                set(parameter, size(DimId{static_cast<u32>(kernel.integer(parameter, Key::size))}));
    }

    Traffic run() {
        for (DimId extent : info_.grid) extents_[axes_++] = size(extent);
        return std::ranges::any_of(extents_, [](i64 extent) { return extent <= 0; }) ? Traffic{} : along(0);
    }

private:
    i64 size(DimId expression) const { return kernel_.module().dims.evaluate(expression, symbols_); }
    void set(NodeId node, i64 value) { values_[node.value] = {value}; }
    const Known& known(NodeId node) const { return values_[node.value]; }
    std::optional<i64> scalar(NodeId node) const {
        return known(node).size() == 1 ? std::optional(known(node)[0]) : std::nullopt;
    }

    /// All blocks along one grid axis and those after it.
    Traffic along(u32 axis) {
        if (axis == axes_) return block();
        return bisected(extents_[axis], [&](i64 number) {
            grid_[axis] = number;
            return along(axis + 1);
        });
    }

    /// Sum over 0 .. count, the same on both sides of any place within a run of equals.
    template <class At> static Traffic bisected(i64 count, At at) {
        const Traffic first = at(0);
        if (count == 1) return first;
        const Traffic last = at(count - 1);
        return ((first + last) += between(0, first, count - 1, last, at));
    }
    /// Sum over what lies between two numbers whose traffic is known.
    template <class At>
    static Traffic between(i64 low, const Traffic& at_low, i64 high, const Traffic& at_high, At& at) {
        if (high - low <= 1) return {};
        if (at_low == at_high) return at_low * static_cast<u64>(high - low - 1);
        const i64 middle = low + (high - low) / 2;
        const Traffic at_middle = at(middle);
        Traffic total = between(low, at_low, middle, at_middle, at);
        total += at_middle;
        return total += between(middle, at_middle, high, at_high, at);
    }

    Traffic block() {
        const u32 threads = info_.target == TargetKind::gpu ? info_.block : 1;
        Traffic total;
        for (thread_ = 0; thread_ < threads; ++thread_) total += region(kernel_.region(kernel_.root()));
        return total;
    }

    Traffic region(const Region& region) {
        Traffic total;
        for (NodeId node : region.body) total += visit(node);
        return total;
    }

    Traffic visit(NodeId node) {
        const u32 subgroup = std::max(1u, info_.subgroup);
        switch (kernel_.op(node)) {
        case Op::load: values_[node.value].clear(); return {.loaded = bytes(node, node, 0)};
        case Op::store: return {.stored = bytes(node, kernel_.operand(node, 0), 1)};
        case Op::for_loop: return loop(node);
        case Op::if_then: return condition(node);
        case Op::while_loop: return region(kernel_.region(node, 0)) += region(kernel_.region(node, 1));
        case Op::grid_index: set(node, grid_[kernel_.integer(node, Key::at)]); return {};
        case Op::thread_index: set(node, thread_); return {};
        case Op::subgroup_index: set(node, thread_ / subgroup); return {};
        case Op::lane_index: set(node, thread_ % subgroup); return {};
        default: values_[node.value] = value(node); return {};
        }
    }

    u32 lanes(NodeId node) const {
        const Type& type = kernel_.type(node);
        return type.kind == TypeKind::vector ? type.lanes : 1;
    }

    Known value(NodeId node) const {
        const Op op = kernel_.op(node);
        if (op == Op::constant) return constant(node);
        if (op == Op::lanes) {
            Known result(lanes(node));
            for (std::size_t k = 0; k < result.size(); ++k) result[k] = static_cast<i64>(k);
            return result;
        }
        if (op == Op::splat && scalar(kernel_.operand(node, 0)))
            return Known(lanes(node), *scalar(kernel_.operand(node, 0)));
        return is_elementwise(op) ? elementwise(node) : Known{};
    }

    Known constant(NodeId node) const {
        const Type& type = kernel_.type(node);
        if (type.kind != TypeKind::vector || is_float(type.dtype)) return {};
        const std::span<const i64> bits = kernel_.payload(node, Key::value);
        Known result(type.lanes);
        for (std::size_t k = 0; k < result.size(); ++k)
            result[k] = scalar_of(type.dtype, static_cast<u64>(bits[bits.size() == 1 ? 0 : k])).whole;
        return result;
    }

    Known elementwise(NodeId node) const {
        const std::span<const NodeId> operands = kernel_.operands(node);
        const Dtype dtype = kernel_.type(operands.back()).dtype;
        if (is_float(dtype) || is_float(kernel_.type(node).dtype)) return {};
        for (NodeId operand : operands)
            if (known(operand).empty()) return {};
        Known result(lanes(node));
        for (std::size_t k = 0; k < result.size(); ++k) {
            std::array<Scalar, 3> lane{};
            for (std::size_t o = 0; o < operands.size(); ++o)
                lane[o].whole = known(operands[o])[known(operands[o]).size() == 1 ? 0 : k];
            const auto made = kernel_.op(node) == Op::cast || kernel_.op(node) == Op::bitcast
                                  ? std::optional(lane[0])
                                  : evaluate(kernel_.op(node), dtype, lane[0], lane[1], lane[2]);
            if (!made) return {};
            result[k] = made->whole;
        }
        return result;
    }

    /// Of an access to `element` (what is loaded or stored), whose operands from `pointer` on are pointer, index and mask.
    u64 bytes(NodeId node, NodeId element, u32 pointer) const {
        NodeId memory = kernel_.operand(node, pointer);
        while (kernel_.op(memory) == Op::rebase || kernel_.op(memory) == Op::bitcast)
            memory = kernel_.operand(memory, 0);
        if (kernel_.op(memory) != Op::parameter) return 0;
        u64 count = lanes(element);
        if (kernel_[node].operand_count > pointer + 2) {
            const Known& mask = known(kernel_.operand(node, pointer + 2));
            if (mask.size() == 1) count *= mask[0] != 0;
            if (mask.size() > 1) count = mask.size() - static_cast<std::size_t>(std::ranges::count(mask, 0));
        }
        return count * size_of(kernel_.type(element).dtype);
    }

    Traffic loop(NodeId node) {
        const auto low = scalar(kernel_.operand(node, 0)), high = scalar(kernel_.operand(node, 1)),
                   step = scalar(kernel_.operand(node, 2));
        const Region& body = kernel_.region(node, 0);
        for (NodeId parameter : body.parameters) values_[parameter.value].clear();
        if (!low || !high || !step) return region(body);
        const i64 trips = *high > *low && *step > 0 ? (*high - *low + *step - 1) / *step : 0;
        Traffic total;
        auto iteration = [&](i64 number) {
            set(body.parameters[0], *low + number * *step);
            return region(body);
        };
        if (trips > most_iterations) return bisected(trips, iteration);
        for (i64 number = 0; number < trips; ++number) total += iteration(number);
        return total;
    }

    Traffic condition(NodeId node) {
        const auto chosen = scalar(kernel_.operand(node, 0));
        if (!chosen || *chosen != 0) return region(kernel_.region(node, 0));
        return kernel_[node].region_count > 1 ? region(kernel_.region(node, 1)) : Traffic{};
    }

    const Function& kernel_;
    std::span<const i64> symbols_;
    KernelInfo info_;
    std::vector<Known> values_;
    std::array<i64, 3> extents_{1, 1, 1}, grid_{};
    u32 axes_ = 0;
    u32 thread_ = 0;
};

} // namespace

Traffic traffic_of(const Function& kernel, std::span<const i64> symbols) {
    return Counter(kernel, symbols).run();
}

} // namespace heddle::passes
