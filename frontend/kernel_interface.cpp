#include "frontend/kernel_interface.h"

#include "frontend/size_table.h"
#include "ir/kernel_builder.h"
#include "passes/legalise/size_parameters.h"

#include <heddle/error.h>

#include <algorithm>
#include <fmt/format.h>

#include <unordered_map>
#include <unordered_set>

namespace heddle::detail {

using namespace ir;

namespace {

using Fill = KernelInterface::Fill;

/// A size expression is written out where it first occurs, and named by its id from then on.
class Writer {
public:
    explicit Writer(const Dims& dims) : dims_(dims) {}

    void put(u64 word) { words_.push_back(word); }
    void dim(DimId id) {
        put(id.value);
        if (!id.valid() || !known_.insert(id.value).second) return;
        put(dims_.terms(id).size());
        for (const Term& term : dims_.terms(id)) {
            put(static_cast<u64>(term.coefficient));
            put(term.atoms.size());
            for (AtomId atom : term.atoms) this->atom(dims_.atom(atom));
        }
    }
    std::vector<u64> take() { return std::move(words_); }

private:
    void atom(const Atom& atom) {
        put(static_cast<u64>(atom.kind));
        put(atom.index);
        if (atom.kind == AtomKind::symbol) return;
        dim(atom.left);
        dim(atom.right);
    }

    const Dims& dims_;
    std::vector<u64> words_;
    std::unordered_set<u32> known_;
};

/// Reads zeros behind the end, and says so.
class Reader {
public:
    Reader(std::span<const u64> words, Dims& dims) : words_(words), dims_(dims) {}

    u64 take() {
        if (at_ < words_.size()) return words_[at_++];
        whole_ = false;
        return 0;
    }
    u32 take32() { return static_cast<u32>(take()); }
    /// A number of things, each of at least one word.
    u64 count() {
        const u64 count = take();
        if (count <= words_.size() - at_) return count;
        whole_ = false;
        return 0;
    }
    void symbols(u64 count) {
        for (u64 k = 0; k < count; ++k) symbols_.push_back(dims_.symbol(fmt::format("s{}", k)));
    }
    DimId dim() {
        const u32 id = take32();
        if (id == DimId{}.value) return {};
        if (const auto known = known_.find(id); known != known_.end()) return known->second;
        DimId total = dims_.constant(0);
        for (u64 terms = count(); terms > 0; --terms) {
            DimId product = dims_.constant(static_cast<i64>(take()));
            for (u64 atoms = count(); atoms > 0; --atoms) product = dims_.mul(product, atom());
            total = dims_.add(total, product);
        }
        return known_[id] = total;
    }
    bool has_read_all() const { return whole_ && at_ == words_.size(); }

private:
    DimId atom() {
        const auto kind = static_cast<AtomKind>(take());
        const u64 index = take();
        if (kind == AtomKind::symbol && index < symbols_.size()) return symbols_[index];
        const DimId left = dim(), right = dim();
        if (left.valid() && right.valid()) switch (kind) {
            case AtomKind::divide: return dims_.divide(left, right);
            case AtomKind::modulo: return dims_.modulo(left, right);
            case AtomKind::minimum: return dims_.minimum(left, right);
            case AtomKind::maximum: return dims_.maximum(left, right);
            case AtomKind::symbol:
            case AtomKind::axis: break;
            }
        whole_ = false;
        return dims_.constant(0);
    }

    std::span<const u64> words_;
    Dims& dims_;
    std::size_t at_ = 0;
    bool whole_ = true;
    std::vector<DimId> symbols_;
    std::unordered_map<u32, DimId> known_;
};

/// Does what is written for the field lie within the arguments?
bool is_sound(const KernelInterface::Field& field, u32 bytes) {
    if (field.by > Fill::magic || static_cast<int>(field.dtype) >= dtype_count) return false;
    const bool is_size = field.by != Fill::pointer && field.by != Fill::number;
    if (is_size && !field.size.valid()) return false;
    const bool narrow = field.by == Fill::size32 || (field.by == Fill::number && size_of(field.dtype) != 8);
    return u64{field.offset} + (narrow ? 4 : 8) <= bytes;
}

bool is_sound(const KernelInterface& interface) {
    const auto is_valid = [](DimId extent) { return extent.valid(); };
    return interface.grid.size() <= 3 && std::ranges::all_of(interface.grid, is_valid) &&
           interface.scratch.valid() && std::ranges::all_of(interface.fields, [&](const auto& field) {
               return is_sound(field, interface.bytes);
           });
}

} // namespace

KernelInterface interface_of(const Function& kernel, const Target& target) {
    const Dims& from = kernel.module().dims;
    SizeTable sizes(from);
    const KernelInfo info = kernel_info(kernel);
    const ParameterLayout layout = parameter_layout(kernel);
    KernelInterface made;
    made.bytes = layout.bytes;
    made.grain = info.grain;
    for (u32 k = 0; k < kernel.parameters().size(); ++k) {
        const NodeId parameter = kernel.parameters()[k];
        const Type& type = kernel.type(parameter);
        KernelInterface::Field& field = made.fields.emplace_back();
        field.offset = layout.offsets[k];
        field.dtype = type.dtype;
        if (type.kind == TypeKind::pointer) continue;
        if (kernel.has(parameter, Key::number)) {
            field.by = Fill::number;
            field.number = static_cast<u32>(kernel.integer(parameter, Key::number));
            continue;
        }
        const bool wide = type.dtype == Dtype::index ? info.index_bits == 64 : size_of(type.dtype) == 8;
        field.by = type.kind == TypeKind::magic ? Fill::magic : wide ? Fill::size64 : Fill::size32;
        field.size = sizes.import(from, DimId{static_cast<u32>(kernel.integer(parameter, Key::size))});
    }
    for (DimId extent : info.grid) made.grid.push_back(sizes.import(from, extent));
    made.scratch = target.kind == TargetKind::cpu ? sizes.import(from, passes::scratch_layout(kernel).bytes)
                                                  : sizes.constant(0);
    made.dims = sizes.take();
    return made;
}

std::vector<u64> words_of(const KernelInterface& interface) {
    Writer writer(interface.dims);
    writer.put(interface.dims.symbol_count());
    writer.put(interface.bytes);
    writer.put(static_cast<u64>(interface.grain));
    writer.put(interface.fields.size());
    for (const KernelInterface::Field& field : interface.fields) {
        writer.put(static_cast<u64>(field.by) << 32 | static_cast<u64>(field.dtype));
        writer.put(u64{field.offset} << 32 | field.number);
        writer.dim(field.size);
    }
    writer.put(interface.grid.size());
    for (DimId extent : interface.grid) writer.dim(extent);
    writer.dim(interface.scratch);
    return writer.take();
}

std::optional<KernelInterface> interface_from(std::span<const u64> words) {
    KernelInterface interface;
    Reader reader(words, interface.dims);
    try {
        reader.symbols(reader.count());
        interface.bytes = reader.take32();
        interface.grain = static_cast<i64>(reader.take());
        interface.fields.resize(reader.count());
        for (KernelInterface::Field& field : interface.fields) {
            const u64 kind = reader.take(), place = reader.take();
            field.by = static_cast<Fill>(kind >> 32);
            field.dtype = static_cast<Dtype>(kind & 0xFF);
            field.offset = static_cast<u32>(place >> 32);
            field.number = static_cast<u32>(place);
            field.size = reader.dim();
        }
        interface.grid.resize(reader.count());
        for (DimId& extent : interface.grid) extent = reader.dim();
        interface.scratch = reader.dim();
    } catch (const ShapeError&) {
        return std::nullopt; // sizes that no kernel has
    }
    if (!reader.has_read_all() || !is_sound(interface)) return std::nullopt;
    return interface;
}

} // namespace heddle::detail
