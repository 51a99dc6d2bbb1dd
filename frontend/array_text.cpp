// Printing arrays as NumPy does: one width for all elements, as few digits as tell them apart (at most 8), exponents when the
// range is wide, and the middle left out of arrays of more than 1000 elements.

#include "frontend/value.h"
#include "support/numeric.h"

#include <heddle/array.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ostream>

namespace heddle {

using namespace detail;

namespace {

constexpr i64 most_elements = 1000;
constexpr i64 edge = 3;
constexpr int precision = 8;

/// Digits before and after the point, without trailing zeros.
struct Digits {
    std::string whole, fraction;
    int exponent = 0;
};

/// As few digits as give the number back in its dtype, at most `precision` after the point.
std::string shortest(double value, Dtype dtype, bool scientific) {
    std::string text;
    for (int digits = 0; digits <= 17; ++digits) {
        text = scientific ? fmt::format("{:.{}e}", value, digits) : fmt::format("{:.{}f}", value, digits);
        if (bits_of(dtype, std::stod(text)) == bits_of(dtype, value) || digits >= precision) break;
    }
    return text;
}

Digits digits_of(double value, Dtype dtype, bool scientific) {
    std::string text = shortest(value, dtype, scientific);
    Digits result;
    if (scientific) {
        const std::size_t at = text.find('e');
        result.exponent = std::stoi(text.substr(at + 1));
        text.resize(at);
    }
    const std::size_t point = text.find('.');
    result.whole = text.substr(0, point);
    if (point != std::string::npos) result.fraction = text.substr(point + 1);
    while (!result.fraction.empty() && result.fraction.back() == '0') result.fraction.pop_back();
    return result;
}

/// How all elements of one array are written.
class Format {
public:
    Format(Dtype dtype, std::span<const u64> elements) : dtype_(dtype) {
        if (is_float(dtype)) choose(elements);
        for (u64 bits : elements) width_ = std::max(width_, write(bits).size());
    }
    std::string operator()(u64 bits) const {
        const std::string text = write(bits);
        return std::string(width_ - text.size(), ' ') + text;
    }

private:
    void choose(std::span<const u64> elements) {
        double low = INFINITY, high = 0;
        for (u64 bits : elements) {
            const double size = std::fabs(value_of(dtype_, bits));
            if (!std::isfinite(size) || size == 0) continue;
            low = std::min(low, size);
            high = std::max(high, size);
        }
        scientific_ = high > 0 && (high >= 1e8 || low < 1e-4 || high / low > 1e3);
        for (u64 bits : elements) {
            const double value = value_of(dtype_, bits);
            if (std::isfinite(value))
                fraction_ = std::max(fraction_, digits_of(value, dtype_, scientific_).fraction.size());
        }
    }

    std::string write(u64 bits) const {
        if (dtype_ == Dtype::boolean) return bits != 0 ? "True" : "False";
        if (dtype_ == Dtype::u64) return std::to_string(bits);
        if (!is_float(dtype_)) return std::to_string(integer_of(dtype_, bits));
        const double value = value_of(dtype_, bits);
        if (std::isnan(value)) return "nan";
        if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
        const Digits digits = digits_of(value, dtype_, scientific_);
        std::string text = digits.whole + "." + digits.fraction;
        if (!scientific_) return text + std::string(fraction_ - digits.fraction.size(), ' ');
        text += std::string(fraction_ - digits.fraction.size(), '0');
        return text + fmt::format("e{}{:02}", digits.exponent < 0 ? '-' : '+', std::abs(digits.exponent));
    }

    Dtype dtype_;
    bool scientific_ = false;
    std::size_t fraction_ = 0;
    std::size_t width_ = 0;
};

class Writer {
public:
    Writer(const Extents& shape, std::vector<u64> elements, Dtype dtype)
        : shape_(shape), elements_(std::move(elements)), shortened_(shape.elements() > most_elements),
          format_(dtype, shown_elements()) {}

    std::string run() {
        if (shape_.rank == 0) return format_(elements_[0]);
        axis(0, 0);
        return std::move(text_);
    }

private:
    bool leaves_out(u32 axis) const { return shortened_ && shape_.sizes[axis] > 2 * edge; }

    void collect(u32 axis, i64 index, std::vector<u64>& shown) const {
        if (axis == shape_.rank) {
            shown.push_back(elements_[static_cast<std::size_t>(index)]);
            return;
        }
        for (i64 k = 0; k < shape_.sizes[axis]; ++k) {
            if (leaves_out(axis) && k == edge) k = shape_.sizes[axis] - edge;
            collect(axis + 1, index * shape_.sizes[axis] + k, shown);
        }
    }

    std::vector<u64> shown_elements() const {
        std::vector<u64> shown;
        if (!elements_.empty()) collect(0, 0, shown);
        return shown;
    }

    void axis(u32 axis, i64 index) {
        text_ += '[';
        const bool innermost = axis + 1 == shape_.rank;
        for (i64 k = 0; k < shape_.sizes[axis]; ++k) {
            if (k > 0) {
                if (innermost)
                    text_ += ' ';
                else
                    text_ += std::string(shape_.rank - axis - 1, '\n') + std::string(axis + 1, ' ');
            }
            if (leaves_out(axis) && k == edge) {
                text_ += "...";
                k = shape_.sizes[axis] - edge - 1;
                continue;
            }
            if (innermost)
                text_ += format_(elements_[static_cast<std::size_t>(index * shape_.sizes[axis] + k)]);
            else
                this->axis(axis + 1, index * shape_.sizes[axis] + k);
        }
        text_ += ']';
    }

    const Extents& shape_;
    std::vector<u64> elements_;
    bool shortened_;
    Format format_;
    std::string text_;
};

} // namespace

std::string Array::text(Where where) const {
    make_concrete(*this, "print", where);
    const Value& value = *value_;
    std::vector<std::byte> bytes(value.bytes());
    to_host(bytes.data(), bytes.size(), where);
    std::vector<u64> elements(static_cast<std::size_t>(value.shape.elements()));
    for (std::size_t k = 0; k < elements.size(); ++k)
        elements[k] = load_bits(value.dtype, bytes.data() + k * size_of(value.dtype));
    if (elements.empty()) return "[]";
    return Writer(value.shape, std::move(elements), value.dtype).run();
}

std::ostream& operator<<(std::ostream& out, const Array& array) { return out << array.text(Array::Where{}); }

} // namespace heddle
