#include "passes/legalise/compute_type.h"

#include "passes/legalise/parts.h"
#include "support/numeric.h"

#include <algorithm>

namespace heddle::passes {

using namespace ir;

namespace {

bool is_narrow(Dtype dtype) { return dtype == Dtype::f16 || dtype == Dtype::bf16; }

class Widener {
public:
    explicit Widener(Rewriter& rewriter) : r_(rewriter), k_(rewriter.kernel()), parts_(rewriter) {}

    NodeId operator()(NodeId old) {
        const Op op = from().op(old);
        if (op == Op::for_loop || op == Op::if_then) return parts_.control(old);
        if (!touches_narrow(old)) return {};
        switch (op) {
        case Op::constant: return k_.number(Dtype::f32, value_of(from().dtype(old), bits_of(old)));
        case Op::load: return load(old);
        case Op::store: return store(old);
        case Op::local:
        case Op::shared: return array(old);
        case Op::rebase: return {};
        case Op::cast: return cast(old);
        case Op::bitcast: return bitcast(old);
        default: return again(old);
        }
    }

private:
    const Function& from() const { return r_.from(); }
    u64 bits_of(NodeId old) const { return static_cast<u64>(from().payload(old, Key::value)[0]); }

    bool touches_narrow(NodeId old) const {
        return is_narrow(from().dtype(old)) || std::ranges::any_of(from().operands(old), [&](NodeId operand) {
                   return is_narrow(from().dtype(operand));
               });
    }

    /// The f32 value of an operand; parameters are still as narrow as they came.
    NodeId wide(NodeId old) {
        const NodeId value = r_.mapped(old);
        return from().type(old).kind == TypeKind::vector && is_narrow(k_.dtype(value))
                   ? k_.cast(value, Dtype::f32)
                   : value;
    }

    /// Rounded to a 16-bit format; what was widened from it is that already.
    NodeId narrow(NodeId value, Dtype to) {
        const Function& made = r_.to();
        if (made.op(value) == Op::cast && made.dtype(made.operand(value, 0)) == to)
            return made.operand(value, 0);
        return k_.cast(value, to);
    }

    NodeId load(NodeId old) {
        const NodeId memory = r_.mapped(from().operand(old, 0));
        MemoryOptions options;
        if (from()[old].operand_count > 2) {
            options.mask = r_.mapped(from().operand(old, 2));
            const NodeId otherwise = wide(from().operand(old, 3));
            options.otherwise = narrow(otherwise, k_.dtype(memory));
        }
        options.align = static_cast<u32>(from().integer(old, Key::align));
        const NodeId loaded =
            k_.load(memory, r_.mapped(from().operand(old, 1)), from().type(old).lanes, options);
        return k_.cast(loaded, Dtype::f32);
    }

    NodeId store(NodeId old) {
        const NodeId memory = r_.mapped(from().operand(old, 1));
        MemoryOptions options;
        if (from()[old].operand_count > 3) options.mask = r_.mapped(from().operand(old, 3));
        options.align = static_cast<u32>(from().integer(old, Key::align));
        options.stream = from().integer(old, Key::stream) != 0;
        k_.store(narrow(wide(from().operand(old, 0)), k_.dtype(memory)), memory,
                 r_.mapped(from().operand(old, 2)), options);
        return memory;
    }

    NodeId array(NodeId old) {
        const Type& type = from().type(old);
        Types& types = from().module().types;
        return r_.to().make(from().op(old), types.array(Dtype::f32, type.lanes, type.count), {},
                            from()[old].attributes);
    }

    /// To a 16-bit format and back: the user asks for the rounding.
    NodeId cast(NodeId old) {
        const Dtype to = from().dtype(old);
        const NodeId value = wide(from().operand(old, 0));
        return is_narrow(to) ? k_.cast(narrow(value, to), Dtype::f32) : k_.cast(value, to);
    }

    NodeId bitcast(NodeId old) {
        const NodeId operand = from().operand(old, 0);
        const Dtype before = from().dtype(operand), after = from().dtype(old);
        const NodeId value = is_narrow(before) ? narrow(wide(operand), before) : r_.mapped(operand);
        const NodeId bits = k_.bitcast(value, after);
        return is_narrow(after) ? k_.cast(bits, Dtype::f32) : bits;
    }

    /// The same op on f32 operands.
    NodeId again(NodeId old) {
        const Node& node = from()[old];
        std::vector<NodeId> operands;
        for (NodeId operand : from().operands(old)) operands.push_back(wide(operand));
        Type type = from().type(old);
        if (is_narrow(type.dtype)) type.dtype = Dtype::f32;
        return r_.to().make(node.op, from().module().types.intern(type), operands, node.attributes,
                            node.location);
    }

    Rewriter& r_;
    KernelBuilder& k_;
    Parts parts_;
};

} // namespace

Function& compute_type(Function& kernel, const Target&) {
    std::unique_ptr<Widener> widener;
    return rewrite(kernel, [&](Rewriter& rewriter, NodeId old) {
        if (!widener) widener = std::make_unique<Widener>(rewriter);
        return (*widener)(old);
    });
}

} // namespace heddle::passes
