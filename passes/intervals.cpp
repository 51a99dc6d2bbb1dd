#include "passes/intervals.h"

#include "passes/value_flow.h"
#include "support/numeric.h"

#include <algorithm>
#include <cmath>

namespace heddle::passes {

using ir::NodeId;
using ir::Op;
using math::Interval;

namespace {

Interval of_dtype(Dtype dtype) {
    if (dtype == Dtype::boolean) return {0, 1};
    if (!is_integer(dtype) || dtype == Dtype::index) return {};
    const double bits = static_cast<double>(8 * size_of(dtype));
    if (is_signed_integer(dtype)) return {-std::exp2(bits - 1), std::exp2(bits - 1)};
    return {0, std::exp2(bits)};
}

/// Bounds that an overflow or a rounding could leave are of no use: arithmetic on them gives no bound where it is not finite.
Interval checked(double low, double high) {
    Interval result;
    if (std::isfinite(low)) result.low = low;
    if (std::isfinite(high)) result.high = high;
    return result;
}

constexpr double infinity = std::numeric_limits<double>::infinity();

double smallest_normal(Dtype dtype) {
    return dtype == Dtype::f64   ? std::numeric_limits<double>::min()
           : dtype == Dtype::f16 ? 0x1p-14
                                 : 0x1p-126;
}

/// What rounding to `dtype` makes of bounds: it keeps the order of numbers, but what is subnormal may become zero.
Interval rounded(Dtype dtype, Interval exact) {
    const auto nearest = [&](double x) { return std::isfinite(x) ? value_of(dtype, bits_of(dtype, x)) : x; };
    const double normal = smallest_normal(dtype);
    const auto is_subnormal = [&](double x) { return x != 0 && std::abs(x) < normal; };
    Interval result{nearest(exact.low), nearest(exact.high), exact.least, exact.greatest};
    if (is_subnormal(result.low)) result.low = result.low > 0 ? 0 : -normal;
    if (is_subnormal(result.high)) result.high = result.high > 0 ? normal : 0;
    if (result.low == infinity) result.low = -infinity;
    if (result.high == -infinity) result.high = infinity;
    return result;
}

/// Zero times no bound is zero: infinity times zero is NaN.
Interval product(Interval a, Interval b) {
    const auto times = [](double x, double y) { return x == 0 || y == 0 ? 0 : x * y; };
    const double corners[] = {times(a.low, b.low), times(a.low, b.high), times(a.high, b.low),
                              times(a.high, b.high)};
    return {*std::ranges::min_element(corners), *std::ranges::max_element(corners)};
}

Interval either(Interval a, Interval b) {
    return {std::min(a.low, b.low), std::max(a.high, b.high), std::min(a.least, b.least),
            std::max(a.greatest, b.greatest)};
}

/// `before`, but without the bounds that `now` has moved outwards: each is given up once, and for good.
Interval settled(Interval before, Interval now) {
    const Interval none;
    if (now.low < before.low) before.low = none.low;
    if (now.high > before.high) before.high = none.high;
    if (now.least < before.least) before.least = none.least;
    if (now.greatest > before.greatest) before.greatest = none.greatest;
    return before;
}

class Finder {
public:
    explicit Finder(const ir::Function& kernel)
        : kernel_(kernel), flow_(kernel), found_(kernel.size(), nothing) {}

    std::vector<Interval> run() {
        // What goes round a loop or through an array is first taken to be nothing and grows from round to round; a bound that has not
        // come to rest then is given up.
        for (u32 round = 0, changed = 1; changed != 0; ++round) {
            changed = 0;
            for (u32 k = 0; k < kernel_.size(); ++k) {
                Interval now = find(NodeId{k});
                if (round >= settling_rounds) now = settled(found_[k], now);
                changed |= now != found_[k];
                found_[k] = now;
            }
        }
        for (Interval& interval : found_)
            if (is_nothing(interval)) interval = {};
        return std::move(found_);
    }

private:
    static constexpr u32 settling_rounds = 3;
    static constexpr Interval nothing{infinity, -infinity, infinity, 0};
    static bool is_nothing(Interval interval) { return interval.low > interval.high; }

    /// Of all that may come there.
    Interval moved(NodeId place) const {
        Interval all = nothing;
        for (NodeId source : flow_.sources(place)) all = either(all, found_[source.value]);
        return all;
    }

    Interval at(NodeId id, u32 k) const { return found_[kernel_.operand(id, k).value]; }

    Interval find(NodeId id) const {
        const ir::Type& type = kernel_.type(id);
        if (flow_.is_place(id) && is_float(type.dtype)) return moved(id);
        if (type.kind != ir::TypeKind::vector) return {};
        if (kernel_.op(id) == Op::constant) return constant(id);
        // Integer arithmetic wraps, so only floats pass through the rules below.
        if (!is_float(type.dtype)) return of_dtype(type.dtype);
        Interval found = of_float(id);
        if (is_nothing(found)) return found;
        found = rounded(type.dtype, found);
        set_magnitudes(id, found);
        return found;
    }

    Interval constant(NodeId id) const {
        Interval all = nothing;
        for (i64 bits : kernel_.payload(id, ir::Key::value)) {
            const double value = value_of(kernel_.dtype(id), static_cast<u64>(bits));
            if (std::isnan(value)) return {};
            all = either(all, {value, value, std::abs(value), std::abs(value)});
        }
        return all;
    }

    Interval of_float(NodeId id) const {
        for (NodeId operand : kernel_.operands(id))
            if (is_nothing(found_[operand.value])) return nothing;
        switch (kernel_.op(id)) {
        case Op::neg: return {-at(id, 0).high, -at(id, 0).low};
        case Op::abs: {
            const Interval a = at(id, 0);
            const double high = std::max(-a.low, a.high);
            return {a.low > 0 ? a.low : 0, high};
        }
        case Op::add: return checked(at(id, 0).low + at(id, 1).low, at(id, 0).high + at(id, 1).high);
        case Op::sub: return checked(at(id, 0).low - at(id, 1).high, at(id, 0).high - at(id, 1).low);
        case Op::mul:
            // A square is not negative, whatever is known of its operand.
            if (kernel_.operand(id, 0) == kernel_.operand(id, 1)) {
                const Interval square = product(at(id, 0), at(id, 0));
                return {0, square.high};
            }
            return product(at(id, 0), at(id, 1));
        case Op::minimum:
            return {std::min(at(id, 0).low, at(id, 1).low), std::min(at(id, 0).high, at(id, 1).high)};
        case Op::maximum_number: return either(at(id, 0), at(id, 1));
        case Op::maximum:
            return {std::max(at(id, 0).low, at(id, 1).low), std::max(at(id, 0).high, at(id, 1).high)};
        case Op::select:
            return {std::min(at(id, 1).low, at(id, 2).low), std::max(at(id, 1).high, at(id, 2).high)};
        case Op::splat:
        case Op::extract:
        case Op::subgroup_shuffle_xor:
        case Op::subgroup_broadcast: return at(id, 0);
        case Op::vector_reduce: return reduced(id);
        case Op::shuffle:
        case Op::insert: return either(at(id, 0), at(id, 1));
        case Op::cast:
            // A conversion to a narrower float may overflow to infinity only where the bound is beyond that float.
            return std::max(-at(id, 0).low, at(id, 0).high) < 65504 ? at(id, 0) : Interval{};
        case Op::sin:
        case Op::cos:
        case Op::tanh:
        case Op::erf: return {-1, 1};
        case Op::exp:
        case Op::exp2:
        case Op::sqrt: return {0, infinity};
        case Op::expm1: return {-1, infinity};
        case Op::cosh: return {1, infinity};
        default: return {};
        }
    }

    void set_magnitudes(NodeId id, Interval& found) const {
        const Dtype dtype = kernel_.dtype(id);
        found.least = 0;
        found.greatest = infinity;
        switch (kernel_.op(id)) {
        case Op::sqrt:
            // Of the smallest subnormal f64, and of the largest; of f32, of which f16 and bf16 are part.
            found.least = dtype == Dtype::f64 ? 0x1p-537 : 0x1p-75;
            found.greatest = dtype == Dtype::f64 ? 0x1p512 : 0x1p64;
            break;
        case Op::mul:
            found.least = at(id, 0).least * at(id, 1).least;
            found.greatest = at(id, 0).greatest * at(id, 1).greatest;
            if (!(found.least >= 2 * smallest_normal(dtype))) found.least = 0; // rounded, it may be less
            if (std::isnan(found.greatest)) found.greatest = infinity;
            break;
        case Op::neg:
        case Op::abs:
        case Op::splat:
        case Op::extract:
        case Op::subgroup_shuffle_xor:
        case Op::subgroup_broadcast: copy_magnitudes(at(id, 0), found); break;
        case Op::minimum:
        case Op::maximum:
        case Op::maximum_number:
        case Op::shuffle:
        case Op::insert: copy_magnitudes(either(at(id, 0), at(id, 1)), found); break;
        case Op::select: copy_magnitudes(either(at(id, 1), at(id, 2)), found); break;
        case Op::cast:
            if (size_of(kernel_.dtype(kernel_.operand(id, 0))) <= size_of(dtype))
                copy_magnitudes(at(id, 0), found);
            break;
        default: break;
        }
        if (dtype == Dtype::f16) found.least = std::max(found.least, 0x1p-24);
    }
    static void copy_magnitudes(Interval from, Interval& to) {
        to.least = from.least;
        to.greatest = from.greatest;
    }

    Interval reduced(NodeId id) const {
        const ir::WordId word{static_cast<u32>(kernel_.integer(id, ir::Key::op))};
        const auto op = ir::op_named(kernel_.module().words[word]);
        const Interval each = at(id, 0);
        if (op == Op::minimum || op == Op::maximum || op == Op::maximum_number) return each;
        if (op != Op::add) return {};
        const double lanes = kernel_.type(kernel_.operand(id, 0)).lanes;
        return checked(each.low * lanes, each.high * lanes);
    }

    const ir::Function& kernel_;
    ValueFlow flow_;
    std::vector<Interval> found_;
};

} // namespace

std::vector<Interval> find_intervals(const ir::Function& kernel) { return Finder(kernel).run(); }

} // namespace heddle::passes
