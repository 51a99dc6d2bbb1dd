#pragma once
// Random numbers from explicit keys: a value is a function of its key and its position alone (Threefry-2x32 with 20 rounds; Salmon
// et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), so nothing is frozen into a compiled function and the same
// key gives the same numbers on every device. Never use a key twice: `split` it.

#include <heddle/ops.h>

#include <utility>

namespace heddle::random {

/// A key: u32[2].
Array key(std::uint64_t seed, Array::Where where = Array::Where::current());
/// Independent keys, u32[count, 2].
Array split(const Operand& key, const Dim& count, Array::Where where = Array::Where::current());
std::pair<Array, Array> split(const Operand& key, Array::Where where = Array::Where::current());
/// A key of its own for each number.
Array fold_in(const Operand& key, const Operand& number, Array::Where where = Array::Where::current());

/// 32 random bits an element, u32.
Array bits(const Operand& key, const Shape& shape, Array::Where where = Array::Where::current());
/// In [low, high). A float dtype.
Array uniform(const Operand& key, const Shape& shape, const Operand& low = 0.0f, const Operand& high = 1.0f,
              Dtype dtype = Dtype::f32, Array::Where where = Array::Where::current());
/// Mean 0 and deviation 1, by the inverse of the distribution. A float dtype.
Array normal(const Operand& key, const Shape& shape, Dtype dtype = Dtype::f32,
             Array::Where where = Array::Where::current());
/// Integers in [low, high), i32.
Array integers(const Operand& key, const Shape& shape, std::int32_t low, std::int32_t high,
               Array::Where where = Array::Where::current());

} // namespace heddle::random
