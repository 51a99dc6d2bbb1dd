#include "ir/type.h"

#include "support/hash.h"

#include <fmt/format.h>

namespace heddle::ir {

TypeId Types::intern(const Type& type) {
    u64 hash = hash_mix(static_cast<u64>(type.kind) << 32 | static_cast<u64>(type.dtype) << 16 | type.lanes,
                        type.count.value);
    for (DimId extent : type.shape) hash = hash_mix(hash, extent.value);
    for (TypeId member : type.members) hash = hash_mix(hash, member.value);
    const u32 known = index_.find(hash, [&](u32 number) { return types_[number] == type; });
    if (known != HashIndex::none) return TypeId{known};
    const TypeId id{types_.size()};
    types_.push_back(type);
    index_.insert(hash, id.value);
    return id;
}

TypeId Types::nothing() { return intern({}); }

TypeId Types::tensor(Dtype dtype, std::span<const DimId> shape) {
    return intern({.kind = TypeKind::tensor,
                   .dtype = dtype,
                   .count = {},
                   .shape = {shape.begin(), shape.end()},
                   .members = {}});
}

TypeId Types::vector(Dtype dtype, u32 lanes) {
    return intern({.kind = TypeKind::vector,
                   .dtype = dtype,
                   .lanes = static_cast<u16>(lanes),
                   .count = {},
                   .shape = {},
                   .members = {}});
}

TypeId Types::pointer(Dtype dtype) {
    return intern({.kind = TypeKind::pointer, .dtype = dtype, .count = {}, .shape = {}, .members = {}});
}

TypeId Types::array(Dtype dtype, u32 lanes, DimId count) {
    return intern({.kind = TypeKind::array,
                   .dtype = dtype,
                   .lanes = static_cast<u16>(lanes),
                   .count = count,
                   .shape = {},
                   .members = {}});
}

TypeId Types::magic() {
    return intern({.kind = TypeKind::magic, .dtype = Dtype::u32, .count = {}, .shape = {}, .members = {}});
}

TypeId Types::tuple(std::span<const TypeId> members) {
    return intern(
        {.kind = TypeKind::tuple, .count = {}, .shape = {}, .members = {members.begin(), members.end()}});
}

std::string text(const Types& types, const Dims& dims, TypeId id) {
    const Type& type = types[id];
    const std::string_view dtype = name_of(type.dtype);
    switch (type.kind) {
    case TypeKind::nothing: return "nothing";
    case TypeKind::tensor: {
        std::string shape;
        for (DimId extent : type.shape) shape += (shape.empty() ? "" : ", ") + dims.text(extent);
        return fmt::format("{}[{}]", dtype, shape);
    }
    case TypeKind::vector:
        return type.lanes == 1 ? std::string(dtype) : fmt::format("{}<{}>", dtype, type.lanes);
    case TypeKind::pointer: return fmt::format("ptr<{}>", dtype);
    case TypeKind::array:
        return type.lanes == 1 ? fmt::format("{}[{}]", dtype, dims.text(type.count))
                               : fmt::format("{}<{}>[{}]", dtype, type.lanes, dims.text(type.count));
    case TypeKind::magic: return "magic";
    case TypeKind::tuple: {
        std::string members;
        for (TypeId member : type.members)
            members += (members.empty() ? "" : ", ") + text(types, dims, member);
        return "(" + members + ")";
    }
    }
    return {};
}

} // namespace heddle::ir
