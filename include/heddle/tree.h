#pragma once
// What may go in and out of a compiled function: arrays, and vectors, std::arrays, tuples, pairs, optionals and structs of such, plus
// `Static<T>` values, which belong to the signature (another value is another trace). A struct is taken apart by structured
// binding (up to 12 public members); one that is no aggregate lists its members itself:
//
//     friend auto heddle_fields(Layer& layer) { return std::tie(layer.weight, layer.bias); }

#include <heddle/array.h>

#include <array>
#include <bit>
#include <concepts>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace heddle {

/// An argument that is known when the function is traced: numbers, enumerations, strings.
template <class T> struct Static {
    T value{};
    Static() = default;
    template <std::convertible_to<T> U> Static(U&& value) : value(std::forward<U>(value)) {}
    operator const T&() const { return value; }
};

namespace detail {

template <class T> struct IsStatic : std::false_type {};
template <class T> struct IsStatic<Static<T>> : std::true_type {};
template <class T> struct IsVector : std::false_type {};
template <class T, class A> struct IsVector<std::vector<T, A>> : std::true_type {};
template <class T> struct IsStdArray : std::false_type {};
template <class T, std::size_t N> struct IsStdArray<std::array<T, N>> : std::true_type {};
template <class T> struct IsTuple : std::false_type {};
template <class... T> struct IsTuple<std::tuple<T...>> : std::true_type {};
template <class A, class B> struct IsTuple<std::pair<A, B>> : std::true_type {};
template <class T> struct IsOptional : std::false_type {};
template <class T> struct IsOptional<std::optional<T>> : std::true_type {};

struct AnyField {
    template <class T> operator T() const;
};
template <class T, std::size_t... K> consteval bool takes_fields(std::index_sequence<K...>) {
    return requires { T{(static_cast<void>(K), AnyField{})...}; };
}
/// Number of members of an aggregate.
template <class T, std::size_t N = 12> consteval std::size_t field_count() {
    if constexpr (N == 0)
        return 0;
    else if constexpr (takes_fields<T>(std::make_index_sequence<N>()))
        return N;
    else
        return field_count<T, N - 1>();
}

template <class T>
concept ListsFields = requires(T& value) { heddle_fields(value); };

template <class T> auto fields_of(T& value) {
    if constexpr (ListsFields<T>) {
        return heddle_fields(value);
    } else {
        constexpr std::size_t count = field_count<std::remove_const_t<T>>();
        static_assert(count > 0, "heddle: list the members of this struct with heddle_fields()");
#define HEDDLE_FIELDS(n, ...)                                                                                \
    if constexpr (count == n) {                                                                              \
        auto& [__VA_ARGS__] = value;                                                                         \
        return std::tie(__VA_ARGS__);                                                                        \
    }
        HEDDLE_FIELDS(1, a)
        HEDDLE_FIELDS(2, a, b)
        HEDDLE_FIELDS(3, a, b, c)
        HEDDLE_FIELDS(4, a, b, c, d)
        HEDDLE_FIELDS(5, a, b, c, d, e)
        HEDDLE_FIELDS(6, a, b, c, d, e, f)
        HEDDLE_FIELDS(7, a, b, c, d, e, f, g)
        HEDDLE_FIELDS(8, a, b, c, d, e, f, g, h)
        HEDDLE_FIELDS(9, a, b, c, d, e, f, g, h, i)
        HEDDLE_FIELDS(10, a, b, c, d, e, f, g, h, i, j)
        HEDDLE_FIELDS(11, a, b, c, d, e, f, g, h, i, j, k)
        HEDDLE_FIELDS(12, a, b, c, d, e, f, g, h, i, j, k, l)
#undef HEDDLE_FIELDS
    }
}

/// Appends what identifies a static value to a signature, word by word.
template <class T, class OnWord> void static_words(const T& value, OnWord&& word) {
    if constexpr (std::is_same_v<T, float>) {
        word(std::bit_cast<std::uint32_t>(value));
    } else if constexpr (std::is_same_v<T, double>) {
        word(std::bit_cast<std::uint64_t>(value));
    } else if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
        word(static_cast<std::uint64_t>(value));
    } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
        const std::string_view text = value;
        word(text.size());
        for (char letter : text) word(static_cast<unsigned char>(letter));
    } else if constexpr (IsVector<T>::value || IsStdArray<T>::value) {
        word(value.size());
        for (const auto& member : value) static_words(member, word);
    } else {
        std::apply([&](const auto&... member) { (static_words(member, word), ...); }, fields_of(value));
    }
}

/// Calls `leaf` for each array in `value`, in order, and `word` with what the structure is beside them.
template <class T, class OnArray, class OnWord> void visit_tree(T& value, OnArray&& leaf, OnWord&& word) {
    using Plain = std::remove_const_t<T>;
    if constexpr (std::is_same_v<Plain, Array>) {
        leaf(value);
    } else if constexpr (IsStatic<Plain>::value) {
        static_words(value.value, word);
    } else if constexpr (IsVector<Plain>::value) {
        word(value.size());
        for (auto& member : value) visit_tree(member, leaf, word);
    } else if constexpr (IsStdArray<Plain>::value) {
        for (auto& member : value) visit_tree(member, leaf, word);
    } else if constexpr (IsOptional<Plain>::value) {
        word(value.has_value());
        if (value) visit_tree(*value, leaf, word);
    } else if constexpr (IsTuple<Plain>::value) {
        std::apply([&](auto&... member) { (visit_tree(member, leaf, word), ...); }, value);
    } else {
        static_assert(
            !std::is_arithmetic_v<Plain>,
            "heddle: a bare number cannot go in or out of a compiled function. Use heddle::Array for a "
            "number that changes from call to call, or heddle::Static<T> for one that is known when the "
            "function is traced.");
        if constexpr (!std::is_arithmetic_v<Plain>) {
            static_assert(std::is_class_v<Plain>, "heddle: this type is no array, nor made of arrays");
            std::apply([&](auto&... member) { (visit_tree(member, leaf, word), ...); }, fields_of(value));
        }
    }
}

} // namespace detail
} // namespace heddle
