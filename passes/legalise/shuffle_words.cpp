#include "passes/legalise/shuffle_words.h"

#include "passes/rewrite.h"

namespace heddle::passes {

using namespace ir;

namespace {

class Words {
public:
    Words(Rewriter& r, NodeId old, bool wide_index)
        : r_(r), k_(r.kernel()), old_(old), wide_index_(wide_index) {}

    NodeId swap(NodeId value) {
        const Dtype dtype = k_.dtype(value);
        if (dtype == Dtype::index)
            return wide_index_ ? k_.cast(halves(k_.cast(value, Dtype::u64)), dtype) : whole(value);
        switch (size_of(dtype)) {
        case 8: return from_bits(halves(to_bits(value, Dtype::u64)), dtype);
        case 4: return whole(value);
        case 2:
            return from_bits(k_.cast(whole(k_.cast(to_bits(value, Dtype::u16), Dtype::u32)), Dtype::u16),
                             dtype);
        default: return k_.cast(whole(k_.cast(value, Dtype::u32)), dtype);
        }
    }

private:
    /// The op itself, on a word.
    NodeId whole(NodeId value) {
        const Node node = r_.from()[old_];
        return r_.to().make(node.op, r_.to()[value].type, std::span(&value, 1), node.attributes,
                            node.location);
    }
    NodeId halves(NodeId bits) {
        const NodeId shift = k_.constant(Dtype::u64, 32);
        const NodeId low = whole(k_.cast(bits, Dtype::u32)),
                     high = whole(k_.cast(k_.binary(Op::shift_right, bits, shift), Dtype::u32));
        return k_.binary(Op::bit_or, k_.binary(Op::shift_left, k_.cast(high, Dtype::u64), shift),
                         k_.cast(low, Dtype::u64));
    }
    NodeId to_bits(NodeId value, Dtype bits) {
        return is_float(k_.dtype(value)) ? k_.bitcast(value, bits) : k_.cast(value, bits);
    }
    NodeId from_bits(NodeId bits, Dtype dtype) {
        return is_float(dtype) ? k_.bitcast(bits, dtype) : k_.cast(bits, dtype);
    }

    Rewriter& r_;
    KernelBuilder& k_;
    NodeId old_;
    bool wide_index_;
};

} // namespace

Function& shuffle_words(Function& kernel, const Target&) {
    const bool wide_index = kernel_info(kernel).index_bits == 64;
    return rewrite(kernel, [&](Rewriter& r, NodeId old) -> NodeId {
        const Op op = r.from().op(old);
        if (op != Op::subgroup_shuffle_xor && op != Op::subgroup_broadcast) return {};
        return Words(r, old, wide_index).swap(r.mapped(r.from().operand(old, 0)));
    });
}

} // namespace heddle::passes
