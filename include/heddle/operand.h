#pragma once
// What a function over arrays takes: an array, a number or a size. It refers to the array it was made from, so it lives no longer
// than the call; being made implicitly at the call, it knows the user's line, which operators could not otherwise.
// A number takes the dtype of the array beside it (docs/promotion.md); in a lazy expression it is an input of the program, so
// that a number that changes from step to step compiles once; in a trace it is a constant.

#include <heddle/element.h>

#include <concepts>
#include <cstdint>
#include <source_location>
#include <type_traits>

namespace heddle {

class Array;
class Dim;

namespace detail {
struct Value;
}

namespace detail {

/// What stands for one array: MaterializedArray, nn::Parameter.
template <class T>
concept HoldsArray = requires(const T& holder) {
    { holder.as_array() } -> std::same_as<const Array&>;
};

} // namespace detail

class Operand {
public:
    using Where = std::source_location;
    enum class Kind : std::uint8_t { array, boolean, integer, unsigned_integer, floating, dim };

    Operand(const Array& array, Where where = Where::current())
        : where_(where), array_(&array), kind_(Kind::array) {}
    template <detail::HoldsArray T> Operand(const T& holder, Where where = Where::current())
        : Operand(holder.as_array(), where) {}
    Operand(const Dim& dim, Where where = Where::current()) : where_(where), dim_(&dim), kind_(Kind::dim) {}
    template <Number T> Operand(T number, Where where = Where::current()) : where_(where) {
        if constexpr (std::is_same_v<T, bool>) {
            kind_ = Kind::boolean;
            integer_ = number ? 1 : 0;
        } else if constexpr (std::is_floating_point_v<T>) {
            kind_ = Kind::floating;
            floating_ = number;
        } else {
            kind_ = std::is_signed_v<T> ? Kind::integer : Kind::unsigned_integer;
            integer_ = static_cast<std::int64_t>(number);
        }
    }

    Kind kind() const { return kind_; }
    bool is_array() const { return kind_ == Kind::array; }
    bool is_number() const { return kind_ != Kind::array && kind_ != Kind::dim; }
    const Array& array() const { return *array_; }
    const Dim& dim() const { return *dim_; }
    /// A number of the library's own formulas: a constant everywhere.
    template <Number T> static Operand literal(T number, Where where = Where::current()) {
        Operand result(number, where);
        result.literal_ = true;
        return result;
    }
    bool is_literal() const { return literal_; }
    double floating() const { return floating_; }
    std::int64_t integer() const { return integer_; }
    const Where& where() const { return where_; }

private:
    Where where_;
    union {
        const Array* array_;
        const Dim* dim_;
        double floating_;
        std::int64_t integer_;
    };
    Kind kind_;
    bool literal_ = false;
};

} // namespace heddle
