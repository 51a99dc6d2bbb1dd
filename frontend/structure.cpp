#include "frontend/structure.h"

namespace heddle::detail {

using namespace ir;

namespace {

/// Writes one function. What was written is known by its id from then on; ids are given in order of creation, so equal functions
/// that were made alike have equal ids, and the words beside them say what they stand for.
class Writer {
public:
    Writer(const Function& function, std::vector<u64>& words)
        : function_(function), module_(function.module()), words_(words) {}

    void run() {
        put(static_cast<u64>(function_.level()));
        region(function_.region(function_.root()));
        attributes(function_.attributes);
        for (const Fact& fact : function_.facts) {
            put(static_cast<u64>(fact.relation));
            dim(fact.left);
            dim(fact.right);
        }
        for (const auto& [node, bytes] : function_.aligned) put(u64{node.value} << 32 | bytes);
    }

private:
    void put(u64 word) { words_.push_back(word); }

    /// True where the thing was written before; its id is written in any case.
    template <class Id> bool known(std::vector<bool>& seen, Id id) {
        put(id.value);
        if (!id.valid()) return true;
        if (seen.size() <= id.value) seen.resize(id.value + 1);
        if (seen[id.value]) return true;
        seen[id.value] = true;
        return false;
    }

    void dim(DimId id) {
        if (known(dims_, id)) return;
        const std::span<const Term> terms = module_.dims.terms(id);
        put(terms.size());
        for (const Term& term : terms) {
            put(static_cast<u64>(term.coefficient));
            put(term.atoms.size());
            for (AtomId atom_id : term.atoms) atom(atom_id);
        }
    }

    void atom(AtomId id) {
        if (known(atoms_, id)) return;
        const Atom& atom = module_.dims.atom(id);
        put(static_cast<u64>(atom.kind) << 32 | atom.index);
        if (atom.kind == AtomKind::symbol || atom.kind == AtomKind::axis) return;
        dim(atom.left);
        dim(atom.right);
    }

    void type(TypeId id) {
        if (known(types_, id)) return;
        const Type& type = module_.types[id];
        put(static_cast<u64>(type.kind) << 32 | static_cast<u64>(type.dtype) << 16 | type.lanes);
        put(type.shape.size());
        for (DimId extent : type.shape) dim(extent);
        if (type.count.valid()) dim(type.count);
        for (TypeId member : type.members) this->type(member);
    }

    void map(MapId id) {
        if (known(maps_, id)) return;
        const IndexMap& map = module_[id];
        put(u64{map.axes} << 32 | map.valid.size());
        put(map.fill);
        for (DimId result : map.results) dim(result);
        for (const Bound& bound : map.valid) {
            dim(bound.value);
            dim(bound.extent);
        }
    }

    void payload(Key key, std::span<const i64> words) {
        put(static_cast<u64>(key) << 32 | words.size());
        const AttributeForm form = form_of(key);
        for (i64 word : words) {
            const u32 id = static_cast<u32>(word);
            switch (form) {
            case AttributeForm::dim:
            case AttributeForm::dims: dim(DimId{id}); break;
            case AttributeForm::type: type(TypeId{id}); break;
            case AttributeForm::map: map(MapId{id}); break;
            case AttributeForm::word:
            case AttributeForm::words:
                for (char letter : module_.words[WordId{id}]) put(static_cast<unsigned char>(letter));
                break;
            case AttributeForm::integer:
            case AttributeForm::integers:
            case AttributeForm::bits:
            case AttributeForm::text:
            case AttributeForm::flag: put(static_cast<u64>(word)); break;
            }
        }
    }

    void attributes(AttributesId id) {
        if (known(attributes_, id)) return;
        for (Key key : module_.attributes.keys(id)) payload(key, module_.attributes.payload(id, key));
    }

    void node(NodeId id) {
        const Node& node = function_[id];
        put(u64{id.value} << 32 | static_cast<u64>(node.op) << 16 | node.operand_count);
        for (NodeId operand : function_.operands(id)) put(operand.value);
        type(node.type);
        attributes(node.attributes);
        for (u32 k = 0; k < node.region_count; ++k) region(function_.region(id, k));
    }

    void region(const Region& region) {
        put(u64{region.parameters.size()} << 32 | region.body.size());
        for (NodeId id : region.parameters) node(id);
        for (NodeId id : region.body) node(id);
        for (NodeId id : region.yields) put(id.value);
    }

    const Function& function_;
    const Module& module_;
    std::vector<u64>& words_;
    std::vector<bool> dims_, atoms_, types_, attributes_, maps_;
};

} // namespace

void append_structure(const Function& function, std::vector<u64>& words) { Writer(function, words).run(); }

} // namespace heddle::detail
