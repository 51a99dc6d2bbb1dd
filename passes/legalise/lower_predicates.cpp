#include "passes/legalise/lower_predicates.h"

#include "passes/rewrite.h"

#include <array>

namespace heddle::passes {

using namespace ir;

namespace {

/// One load or store, its operands already mapped.
class Access {
public:
    Access(Rewriter& r, NodeId old) : k_(r.kernel()), node_(r.from()[old]) {
        const Function& from = r.from();
        const std::vector<NodeId> operands = r.mapped(from.operands(old));
        const std::size_t first = node_.op == Op::store ? 1 : 0;
        if (first == 1) value_ = operands[0];
        memory_ = operands[first];
        index_ = operands[first + 1];
        if (operands.size() > first + 2) mask_ = operands[first + 2];
        if (operands.size() > first + 3) otherwise_ = operands[first + 3];
        lanes_ = from.type(first == 1 ? from.operand(old, 0) : old).lanes;
    }

    bool plain() const { return !mask_.valid() && k_.width(index_) == 1; }

    NodeId load() {
        if (!mask_.valid()) return gather({});
        if (k_.width(mask_) == 1)
            return one(k_.if_then(
                mask_, [&] { return some(whole_load()); },
                [&] { return some(k_.splat(otherwise_, lanes_)); }));
        if (k_.width(index_) != 1) return gather(mask_);
        return one(
            k_.if_then(all(), [&] { return some(whole_load()); }, [&] { return some(gather(mask_)); }));
    }

    void store() {
        if (!mask_.valid()) return scatter({});
        if (k_.width(mask_) == 1) {
            k_.if_then(mask_, [&] { return none([&] { whole_store(); }); });
        } else if (k_.width(index_) != 1) {
            scatter(mask_);
        } else {
            k_.if_then(
                all(), [&] { return none([&] { whole_store(); }); },
                [&] { return none([&] { scatter(mask_); }); });
        }
    }

private:
    static std::vector<NodeId> some(NodeId value) { return {value}; }
    static std::vector<NodeId> none(const std::function<void()>& body) {
        body();
        return {};
    }
    static NodeId one(const std::vector<NodeId>& results) { return results[0]; }

    NodeId lane(NodeId value, u32 k) { return k_.width(value) == 1 ? value : k_.extract(value, k); }
    NodeId place(u32 k) {
        return k_.width(index_) == 1 ? k_.add(index_, k_.index(k)) : k_.extract(index_, k);
    }

    NodeId all() {
        NodeId result = k_.extract(mask_, 0);
        for (u32 k = 1; k < lanes_; ++k) result = k_.binary(Op::bit_and, result, k_.extract(mask_, k));
        return result;
    }

    NodeId whole_load() {
        if (k_.width(index_) != 1) return gather({});
        return k_.function().make(Op::load, k_.function().module().types.vector(k_.dtype(memory_), lanes_),
                                  std::array{memory_, index_}, node_.attributes, node_.location);
    }
    void whole_store() {
        if (k_.width(index_) != 1) return scatter({});
        k_.function().make(Op::store, node_.type, std::array{value_, memory_, index_}, node_.attributes,
                           node_.location);
    }

    NodeId gather(NodeId mask) {
        std::vector<NodeId> lanes;
        for (u32 k = 0; k < lanes_; ++k) {
            const auto element = [&, k] { return some(element_load(place(k))); };
            if (!mask.valid())
                lanes.push_back(element()[0]);
            else
                lanes.push_back(
                    one(k_.if_then(lane(mask, k), element, [&, k] { return some(lane(otherwise_, k)); })));
        }
        return k_.pack(lanes);
    }
    void scatter(NodeId mask) {
        for (u32 k = 0; k < lanes_; ++k) {
            const auto element = [&, k] { return none([&] { element_store(lane(value_, k), place(k)); }); };
            if (!mask.valid())
                element();
            else
                k_.if_then(lane(mask, k), element);
        }
    }

    // An element of a wide access is aligned as an element.
    AttributesId element_attributes() {
        Attributes& attributes = k_.function().module().attributes;
        if (!attributes.has(node_.attributes, Key::align)) return node_.attributes;
        AttributeList list;
        for (Key key : attributes.keys(node_.attributes))
            if (key != Key::align) list.words(key, attributes.payload(node_.attributes, key));
        return attributes.intern(list);
    }
    NodeId element_load(NodeId index) {
        Function& to = k_.function();
        return to.make(Op::load, to.module().types.scalar(k_.dtype(memory_)), std::array{memory_, index},
                       element_attributes(), node_.location);
    }
    void element_store(NodeId value, NodeId index) {
        k_.function().make(Op::store, node_.type, std::array{value, memory_, index}, element_attributes(),
                           node_.location);
    }

    KernelBuilder& k_;
    const Node node_;
    NodeId value_, memory_, index_, mask_, otherwise_;
    u32 lanes_ = 1;
};

} // namespace

Function& lower_predicates(Function& kernel, const Target&) {
    return rewrite(kernel, [](Rewriter& r, NodeId old) -> NodeId {
        const Op op = r.from().op(old);
        if (op != Op::load && op != Op::store) return {};
        Access access(r, old);
        if (access.plain()) return {};
        if (op == Op::load) return access.load();
        access.store();
        return r.kernel().index(0); // nothing reads a store
    });
}

} // namespace heddle::passes
