// Threefry-2x32-20 as integer ops on whole arrays. Element i of a draw is the xor of the two words that the key makes of the counter
// (0, i), so every element is computed alone and a draw fuses into its consumers.

#include <heddle/random.h>

#include "frontend/emit.h"
#include "frontend/location.h"

#include <heddle/error.h>
#include <heddle/functions.h>

#include <fmt/format.h>

#include <array>
#include <numbers>

namespace heddle::random {

using namespace detail;

namespace {

struct Words {
    Array x, y;
};

Array rotate(const Array& a, u32 by) { return shift_left(a, literal(by)) | shift_right(a, literal(32 - by)); }

/// Salmon et al. 2011, section 3.3: rotation constants of Threefry-2x32, key injected every four rounds.
Words threefry(const Array& key_0, const Array& key_1, Words counter) {
    constexpr std::array<std::array<u32, 4>, 2> rotations{{{13, 15, 26, 6}, {17, 29, 16, 24}}};
    const std::array<Array, 3> keys{key_0, key_1, key_0 ^ key_1 ^ literal(0x1BD11BDAu)};
    Words words{counter.x + keys[0], counter.y + keys[1]};
    for (u32 group = 0; group < 5; ++group) {
        for (u32 rotation : rotations[group % 2]) {
            words.x = words.x + words.y;
            words.y = rotate(words.y, rotation) ^ words.x;
        }
        words.x = words.x + keys[(group + 1) % 3];
        words.y = words.y + keys[(group + 2) % 3] + literal(group + 1);
    }
    return words;
}

struct Key {
    Array first, second;
};

Key parts_of(const Operand& key) {
    if (!key.is_array())
        throw ShapeError(fmt::format("random: a key is an array u32[2] ({})", text(key.where())));
    const Array& array = key.array();
    if (array.rank() != 1 || array.dtype() != Dtype::u32 || !(array.shape(0) == 2))
        throw ShapeError(fmt::format("random: a key is u32[2], given {} ({})", type_text(*array.value()),
                                     text(user_place(key.where()))));
    return {index(array, 0, 0), index(array, 0, 1)};
}

/// The row-major position of each element.
Array positions(const Shape& shape, Array::Where where) {
    if (shape.rank() == 1) return iota(shape, 0, Dtype::u32, where);
    return reshape(iota({shape.elements()}, 0, Dtype::u32, where), shape);
}

Array draw(const Key& key, const Shape& shape, Array::Where where) {
    const Array counter = positions(shape, where);
    const Words words = threefry(key.first, key.second, {zeros_like(counter), counter});
    return words.x ^ words.y;
}

void check_float(Dtype dtype, Array::Where where) {
    if (is_float(dtype)) return;
    throw DtypeError(fmt::format("{}: a float dtype is needed, given {} ({})", composite_name(),
                                 name_of(dtype), text(user_place(where))));
}

/// In [0, 1): the high bits of a draw, as many as the dtype's significand holds.
Array unit(const Key& key, const Shape& shape, Dtype dtype, Array::Where where) {
    check_float(dtype, where);
    if (dtype == Dtype::f64) {
        const Array counter = positions(shape, where);
        const Words words = threefry(key.first, key.second, {zeros_like(counter), counter});
        // 53 bits: 27 high and 26 low ones.
        const Array high = cast(shift_right(words.x, literal(5u)), Dtype::f64),
                    low = cast(shift_right(words.y, literal(6u)), Dtype::f64);
        return (high * literal(67108864.0) + low) * literal(0x1p-53);
    }
    const int bits = dtype == Dtype::f32 ? 24 : dtype == Dtype::f16 ? 11 : 8;
    const Array whole =
        cast(shift_right(draw(key, shape, where), literal(static_cast<u32>(32 - bits))), Dtype::f32);
    return whole * literal(1.0 / static_cast<double>(1 << bits));
}

} // namespace

Array key(std::uint64_t seed, Array::Where where) {
    const std::uint32_t words[] = {static_cast<std::uint32_t>(seed >> 32), static_cast<std::uint32_t>(seed)};
    return Array::from(std::span<const std::uint32_t>(words), {2}, where);
}

Array split(const Operand& key, const Dim& count, Array::Where where) {
    const Scope scope("random::split", where);
    const Key parts = parts_of(key);
    // Counters with a high word of 1: apart from those of draws.
    const Array counter = iota({count}, 0, Dtype::u32, where);
    const Words words = threefry(parts.first, parts.second, {ones_like(counter), counter});
    return stack({words.x, words.y}, 1, where);
}

std::pair<Array, Array> split(const Operand& key, Array::Where where) {
    const Scope scope("random::split", where);
    const Array keys = split(key, 2, where);
    return {index(keys, 0, 0), index(keys, 0, 1)};
}

Array fold_in(const Operand& key, const Operand& number, Array::Where where) {
    const Scope scope("random::fold_in", where);
    const Key parts = parts_of(key);
    const Array counter = reshape(cast(number, Dtype::u32), {1});
    const Words words = threefry(parts.first, parts.second, {full({1}, literal(2u), Dtype::u32), counter});
    return concatenate({words.x, words.y}, 0, where);
}

Array bits(const Operand& key, const Shape& shape, Array::Where where) {
    const Scope scope("random::bits", where);
    return draw(parts_of(key), shape, where);
}

Array uniform(const Operand& key, const Shape& shape, const Operand& low, const Operand& high, Dtype dtype,
              Array::Where where) {
    const Scope scope("random::uniform", where);
    const Array sample = unit(parts_of(key), shape, dtype, where);
    return cast(low + sample * (high - low), dtype);
}

Array normal(const Operand& key, const Shape& shape, Dtype dtype, Array::Where where) {
    const Scope scope("random::normal", where);
    check_float(dtype, where);
    const Dtype computed = dtype == Dtype::f64 ? dtype : Dtype::f32;
    // Centred in its cell, so that neither end of (-1, 1) is drawn.
    const double half_cell = computed == Dtype::f64 ? 0x1p-53 : 0x1p-24;
    const Array sample =
        (unit(parts_of(key), shape, computed, where) * literal(2.0) - literal(1.0)) + literal(half_cell);
    return cast(erfinv(sample) * literal(std::numbers::sqrt2), dtype);
}

Array integers(const Operand& key, const Shape& shape, std::int32_t low, std::int32_t high,
               Array::Where where) {
    const Scope scope("random::integers", where);
    if (low >= high)
        throw ShapeError(
            fmt::format("random::integers: no integers in [{}, {}) ({})", low, high, text(where)));
    const u32 range = static_cast<u32>(high) - static_cast<u32>(low);
    const Array offset = remainder(bits(key, shape, where), literal(range));
    return bitcast(offset + literal(static_cast<u32>(low)), Dtype::i32);
}

} // namespace heddle::random
