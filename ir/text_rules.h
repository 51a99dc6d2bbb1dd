#pragma once
// What printer and parser must agree on: which attributes follow from the rest of a line and are not written, which an op
// may carry, which types are written, and what type a literal has where it stands.

#include "ir/function.h"

#include <string_view>

namespace heddle::ir {

struct OpKey {
    Key key;
    bool required;
};

/// Attributes that may be written with an op (those that its line gives in another way are not among them).
std::span<const OpKey> written_keys(Op op);

/// True for attributes that the line shows in another way: `shape` and `to` are the written type, `value` the literal.
bool is_implied(Op op, Key key);

/// Kernel level: true where the op's rule cannot know the result's type (load, local, cast, loops...).
/// At graph level types are always written.
bool needs_type(Op op);

/// The type of literal operand k of an op. `operands` are the operands' types, invalid ids for literals; `results` the
/// written types, none where the line has none. An invalid id where a literal cannot stand.
TypeId literal_type(Types& types, Op op, u32 k, std::span<const TypeId> operands,
                    std::span<const TypeId> results);

/// Rank-0 tensor or scalar of bool, beside a value of that kind.
TypeId rank_0_like(Types& types, TypeId sibling, Dtype dtype);

/// True for ops on scalar `index` that are written infix, or as min(a, b) and max(a, b).
bool is_infix(Op op);

/// Types of the results that an op's type stands for: none, one, or the members of a tuple.
std::vector<TypeId> result_types(const Types& types, TypeId type);

} // namespace heddle::ir
