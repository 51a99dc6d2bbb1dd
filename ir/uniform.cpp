#include "ir/uniform.h"

#include <algorithm>

namespace heddle::ir {
namespace {

class Analysis {
public:
    explicit Analysis(const Function& kernel)
        : kernel_(kernel), result_{std::vector(kernel.size(), Uniform::block),
                                   std::vector(kernel.region_count(), Uniform::block)} {}

    Uniformity run() {
        // Levels only rise, and there are three: carried values settle after a few rounds, whatever the nesting.
        do {
            changed_ = false;
            region(kernel_.root(), Uniform::block);
        } while (changed_);
        return std::move(result_);
    }

private:
    Uniform of(NodeId id) const { return result_.values[id.value]; }

    void raise(NodeId id, Uniform level) {
        if (level <= of(id)) return;
        result_.values[id.value] = level;
        changed_ = true;
    }

    Uniform operands(NodeId id, u32 first = 0) const {
        Uniform level = Uniform::block;
        const std::span<const NodeId> list = kernel_.operands(id);
        for (u32 k = first; k < list.size(); ++k) level = std::max(level, of(list[k]));
        return level;
    }

    void region(RegionId id, Uniform control) {
        result_.control[id.value] = std::max(result_.control[id.value], control);
        for (NodeId node : kernel_.region(id).body) visit(node, control);
    }

    Uniform loaded(NodeId id) const {
        NodeId memory = kernel_.operand(id, 0);
        // What one invocation keeps for itself differs between them.
        return kernel_.op(memory) == Op::local ? Uniform::varying : operands(id);
    }

    void visit(NodeId id, Uniform control) {
        switch (kernel_.op(id)) {
        case Op::thread_index:
        case Op::lane_index: raise(id, Uniform::varying); return;
        case Op::subgroup_index: raise(id, Uniform::subgroup); return;
        case Op::subgroup_broadcast:
        case Op::subgroup_reduce: raise(id, std::min(operands(id), Uniform::subgroup)); return;
        case Op::block_reduce: return;
        case Op::load: raise(id, loaded(id)); return;
        // Of two invocations that ask, one may find what the other did not.
        case Op::await: raise(id, Uniform::varying); return;
        case Op::for_loop: loop(id, control, bounds(id)); return;
        case Op::while_loop: while_loop(id, control); return;
        case Op::if_then: condition(id, control); return;
        default: raise(id, operands(id)); return;
        }
    }

    Uniform bounds(NodeId loop) const {
        return std::max(
            {of(kernel_.operand(loop, 0)), of(kernel_.operand(loop, 1)), of(kernel_.operand(loop, 2))});
    }

    void loop(NodeId id, Uniform control, Uniform trips) {
        const RegionId body_id = kernel_[id].first_region;
        const Region& body = kernel_.region(body_id);
        raise(body.parameters[0], std::max(of(kernel_.operand(id, 0)), of(kernel_.operand(id, 2))));
        const std::span<const NodeId> initial = kernel_.operands(id).subspan(3);
        for (std::size_t k = 0; k < initial.size(); ++k) {
            raise(body.parameters[k + 1], std::max(of(initial[k]), of(body.yields[k])));
            raise(id, std::max(of(body.parameters[k + 1]), trips));
        }
        region(body_id, std::max(control, trips));
    }

    void while_loop(NodeId id, Uniform control) {
        const RegionId first = kernel_[id].first_region;
        const Region &test = kernel_.region(first), &body = kernel_.region(RegionId{first.value + 1});
        const Uniform trips = of(test.yields[0]);
        for (std::size_t k = 0; k < body.parameters.size(); ++k) {
            const Uniform level = std::max(of(kernel_.operand(id, static_cast<u32>(k))), of(body.yields[k]));
            raise(test.parameters[k], level);
            raise(body.parameters[k], level);
            raise(id, std::max(level, trips));
        }
        region(first, std::max(control, trips));
        region(RegionId{first.value + 1}, std::max(control, trips));
    }

    void condition(NodeId id, Uniform control) {
        const Uniform chosen = of(kernel_.operand(id, 0));
        for (u32 k = 0; k < kernel_[id].region_count; ++k) {
            region(RegionId{kernel_[id].first_region.value + k}, std::max(control, chosen));
            for (NodeId yielded : kernel_.region(id, k).yields) raise(id, std::max(of(yielded), chosen));
        }
    }

    const Function& kernel_;
    Uniformity result_;
    bool changed_ = false;
};

} // namespace

Uniformity uniformity(const Function& kernel) { return Analysis(kernel).run(); }

} // namespace heddle::ir
