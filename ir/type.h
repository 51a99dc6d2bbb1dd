#pragma once
// Types of values. Graph level: tensors, a dtype and a shape. Kernel level: scalars and vectors, pointers, arrays
// (local or shared), and the `magic` of a divisor. Hash-consed: equal types have equal ids.

#include "ir/dims.h"
#include "support/hash_index.h"

#include <heddle/dtype.h>

#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

namespace heddle::ir {

using TypeId = Id<struct TypeTag>;

enum class TypeKind : u8 {
    nothing, ///< an op without result
    tensor,  ///< dtype[shape]
    vector,  ///< dtype<lanes>; a scalar has one lane
    pointer, ///< ptr<dtype>, to global memory
    array,   ///< dtype<lanes>[count], made by `local` and `shared`
    magic,   ///< multiplier and shift that replace division by a parameter
    tuple,   ///< what an op with several results has; its results are taken with `result`
};

struct Type {
    TypeKind kind = TypeKind::nothing;
    Dtype dtype = Dtype::f32;
    u16 lanes = 1;
    DimId count;              ///< array: number of elements, a constant or (CPU) an expression over symbols
    std::vector<DimId> shape; ///< tensor
    std::vector<TypeId> members; ///< tuple
    bool operator==(const Type&) const = default;

    bool is_scalar() const { return kind == TypeKind::vector && lanes == 1; }
};

class Types {
public:
    TypeId intern(const Type& type);
    TypeId nothing();
    TypeId tensor(Dtype dtype, std::span<const DimId> shape);
    TypeId scalar(Dtype dtype) { return vector(dtype, 1); }
    TypeId vector(Dtype dtype, u32 lanes);
    TypeId pointer(Dtype dtype);
    TypeId array(Dtype dtype, u32 lanes, DimId count);
    TypeId magic();
    TypeId tuple(std::span<const TypeId> members);

    const Type& operator[](TypeId id) const { return types_[id.value]; }

private:
    std::deque<Type> types_; // references stay valid while it grows
    HashIndex index_;
};

/// `f32[?n, 4]`, `f32<4>`, `ptr<f32>`, `f32<4>[8]`, `magic`.
std::string text(const Types& types, const Dims& dims, TypeId id);

} // namespace heddle::ir
