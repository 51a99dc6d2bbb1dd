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

Interval product(Interval a, Interval b) {
    const double corners[] = {a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high};
    if (std::ranges::any_of(corners, [](double corner) { return !std::isfinite(corner); })) return {};
    return {*std::ranges::min_element(corners), *std::ranges::max_element(corners)};
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
                if (round >= settling_rounds && now.low < found_[k].low) now.low = Interval{}.low;
                if (round >= settling_rounds && now.high > found_[k].high) now.high = Interval{}.high;
                changed |= now.low != found_[k].low || now.high != found_[k].high;
                found_[k] = now;
            }
        }
        for (Interval& interval : found_)
            if (is_nothing(interval)) interval = {};
        return std::move(found_);
    }

private:
    static constexpr u32 settling_rounds = 3;
    static constexpr Interval nothing{std::numeric_limits<double>::infinity(),
                                      -std::numeric_limits<double>::infinity()};
    static bool is_nothing(Interval interval) { return interval.low > interval.high; }

    /// Of all that may come there.
    Interval moved(NodeId place) const {
        Interval all = nothing;
        for (NodeId source : flow_.sources(place))
            all = {std::min(all.low, found_[source.value].low),
                   std::max(all.high, found_[source.value].high)};
        return all;
    }

    Interval at(NodeId id, u32 k) const { return found_[kernel_.operand(id, k).value]; }

    Interval find(NodeId id) const {
        const ir::Type& type = kernel_.type(id);
        if (flow_.is_place(id) && is_float(type.dtype)) return moved(id);
        if (type.kind != ir::TypeKind::vector) return {};
        if (kernel_.op(id) == Op::constant) return constant(id);
        // Integer arithmetic wraps, so only floats pass through the rules below.
        return is_float(type.dtype) ? of_float(id) : of_dtype(type.dtype);
    }

    Interval constant(NodeId id) const {
        Interval all{std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
        for (i64 bits : kernel_.payload(id, ir::Key::value)) {
            const double value = value_of(kernel_.dtype(id), static_cast<u64>(bits));
            if (std::isnan(value)) return {};
            all = {std::min(all.low, value), std::max(all.high, value)};
        }
        return all;
    }

    Interval of_float(NodeId id) const {
        constexpr double infinity = std::numeric_limits<double>::infinity();
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

    static Interval either(Interval a, Interval b) {
        return {std::min(a.low, b.low), std::max(a.high, b.high)};
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
