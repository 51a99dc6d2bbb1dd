#pragma once
// A double with what rounding took from it: sums and products of many doubles as they come out when rounded once, all but always. Each
// step keeps the error of its addition or multiplication (Knuth's two-sum, a fused multiply-add) in a second double.

#include <cmath>

namespace heddle::ir {

class DoubleDouble {
public:
    explicit DoubleDouble(double value) : high_(value) {}

    void add(double x) {
        const double sum = high_ + x, taken = sum - high_;
        set(sum, low_ + ((high_ - (sum - taken)) + (x - taken)));
    }
    void add_product(double a, double b) {
        const double product = a * b;
        add(product);
        if (std::isfinite(product)) add(std::fma(a, b, -product));
    }
    void multiply(double x) {
        const double product = high_ * x;
        set(product, std::fma(high_, x, -product) + low_ * x);
    }
    /// Adding a low part of 0 would lose the sign of a zero.
    double value() const { return low_ == 0 ? high_ : high_ + low_; }

private:
    /// Infinities and NaN have no error, and a zero keeps its sign; where the parts overlap they are separated again.
    void set(double high, double low) {
        const bool is_plain = low == 0 || !std::isfinite(high);
        high_ = is_plain ? high : high + low;
        low_ = is_plain ? 0 : low - (high_ - high);
    }

    double high_;
    double low_ = 0;
};

} // namespace heddle::ir
