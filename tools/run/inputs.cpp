#include "tools/run/inputs.h"

#include "support/numeric.h"

#include <cmath>
#include <limits>

namespace heddle::tools {

u64 Random::next() {
    // A counter, well mixed (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
    u64 x = state_ += 0x9E3779B97F4A7C15;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
    x = (x ^ x >> 27) * 0x94D049BB133111EB;
    return x ^ x >> 31;
}

namespace {

u64 ones(Dtype dtype) {
    const std::size_t bits = size_of(dtype) * 8;
    return bits == 64 ? ~u64{0} : (u64{1} << bits) - 1;
}

int mantissa_bits(Dtype dtype) {
    return dtype == Dtype::f16 ? 10 : dtype == Dtype::bf16 ? 7 : dtype == Dtype::f32 ? 23 : 52;
}

std::vector<u64> special_floats(Dtype dtype) {
    const u64 sign = ones(dtype) ^ ones(dtype) >> 1, infinity = highest_bits(dtype);
    const u64 smallest_normal = u64{1} << mantissa_bits(dtype);
    const u64 one = bits_of(dtype, 1.0);
    std::vector<u64> values = {0,
                               1,
                               smallest_normal - 1,
                               smallest_normal,
                               one,
                               one - 1,
                               one + 1,
                               bits_of(dtype, 0.5),
                               bits_of(dtype, 2.0),
                               bits_of(dtype, 2.5),
                               infinity - 1,
                               infinity};
    const std::size_t positive = values.size();
    for (std::size_t k = 0; k < positive; ++k) values.push_back(values[k] | sign);
    values.push_back(bits_of(dtype, std::numeric_limits<double>::quiet_NaN()));
    return values;
}

std::vector<u64> special_integers(Dtype dtype) {
    const u64 mask = ones(dtype), high = mask ^ mask >> 1, width = size_of(dtype) * 8;
    return {0, 1, mask, high, high - 1, high + 1, 2, width - 1, width, width + 1};
}

std::vector<u64> specials(Dtype dtype) {
    if (dtype == Dtype::boolean) return {0, 1};
    return is_float(dtype) ? special_floats(dtype) : special_integers(dtype);
}

u64 small(Dtype dtype, Random& random) {
    if (dtype == Dtype::boolean) return random.below(2);
    if (is_float(dtype)) return bits_of(dtype, random.unit() * 16 - 8);
    const i64 low = is_unsigned_integer(dtype) ? 0 : -12;
    return bits_of(dtype, low + static_cast<i64>(random.below(25)));
}

u64 within(Dtype dtype, const Range& range, Random& random) {
    if (is_float(dtype)) {
        const double low = value_of(dtype, range.low), high = value_of(dtype, range.high);
        return bits_of(dtype, low + (high - low) * random.unit());
    }
    const u64 span =
        static_cast<u64>(integer_of(dtype, range.high)) - static_cast<u64>(integer_of(dtype, range.low));
    const u64 step = span == ~u64{0} ? random.next() : random.below(span + 1);
    return bits_of(dtype, static_cast<i64>(static_cast<u64>(integer_of(dtype, range.low)) + step));
}

} // namespace

ir::Tensor random_tensor(Dtype dtype, std::vector<i64> shape, const std::optional<Range>& range,
                         Random& random) {
    ir::Tensor tensor{dtype, std::move(shape), {}};
    tensor.elements.resize(static_cast<std::size_t>(tensor.count()));
    const std::vector<u64> special = specials(dtype);
    for (u64& element : tensor.elements) {
        if (range) {
            element = within(dtype, *range, random);
            continue;
        }
        const u64 choice = random.below(4);
        if (choice == 0)
            element = special[random.below(special.size())];
        else if (choice == 1 && dtype != Dtype::boolean)
            element = random.next() & ones(dtype);
        else
            element = small(dtype, random);
    }
    return tensor;
}

} // namespace heddle::tools
