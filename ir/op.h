#pragma once
// The ops of both IR levels and what is data about them. Everything here is read from the rows of ir/ops.def.

#include "support/integers.h"

#include <optional>
#include <string_view>

namespace heddle::ir {

enum class Op : u16 {
#define OP(id, text, arity, kind, domain, traits) id,
#include "ir/ops.def"
};

/// What an op is to the passes.
enum class OpKind : u8 {
    elementwise, ///< result element from the operands' elements at the same place; one dtype
    predicate,   ///< likewise, with a bool result
    choice,      ///< select
    convert,     ///< cast, bitcast
    creation,
    special,
    movement,
    reduction,
    contraction,
    access,
    custom, ///< a kernel of the user's
    control,
    index_math,
    vector,
    position,
    memory,
    synchronise,
};

/// Element types an op takes.
enum class OpDomain : u8 { any, number, floating, integer, bits, boolean };

enum Traits : u16 {
    trait_none = 0,
    commutative = 1,
    associative = 2,
    math = 4,          ///< expanded by the pass expand-math before an emitter sees it
    effect = 8,        ///< keeps its place in its region, never merged
    regions = 16,      ///< owns regions
    kernel_level = 32, ///< only in kernels
    both_levels = 64,  ///< in graphs and in kernels (as elementwise ops are anyway)
};

inline constexpr int variadic = -1;

struct OpInfo {
    std::string_view text;
    std::string_view doc;
    i8 arity;
    OpKind kind;
    OpDomain domain;
    u16 traits;
    u8 cost;

    bool has(Traits trait) const { return (traits & trait) != 0; }
};

inline constexpr int op_count = 0
#define OP(id, text, arity, kind, domain, traits) +1
#include "ir/ops.def"
    ;

const OpInfo& info(Op op);
std::optional<Op> op_named(std::string_view text);

/// True for ops that compute each element from the elements at the same place: arithmetic, comparisons, select, casts.
inline bool is_elementwise(Op op) {
    OpKind kind = info(op).kind;
    return kind == OpKind::elementwise || kind == OpKind::predicate || kind == OpKind::choice ||
           kind == OpKind::convert;
}

} // namespace heddle::ir
