#pragma once
// What may be handed to another thread. `Sendable<T>` holds for types whose objects may go to another thread and, unchanged, be read
// by several at once: numbers, strings, materialized arrays, and what is composed of them. It does not hold for an Array, whose
// handle belongs to one thread, nor for pointers, references and views, which leave behind what they point to.
//
// It is found through tuples, pairs, optionals, variants, the standard containers, and structs with up to 16 public members (those
// of standard layout, or that can be assigned: elsewhere a reference among the members could not be seen). Of any other type its
// author says so:
//
//     template <> inline constexpr bool heddle::enable_sendable<Vocabulary> = true;

#include <heddle/materialized.h>

#include <array>
#include <atomic>
#include <chrono>
#include <concepts>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>

namespace heddle {

namespace detail {

template <class T> consteval bool sendable();

} // namespace detail

template <class T>
concept Sendable = detail::sendable<std::remove_cv_t<T>>();

/// Specialised to true by the author of a type whose objects may go to another thread, and of which several threads may call const
/// members at once.
template <class T> inline constexpr bool enable_sendable = false;

/// Likewise of a type that several threads may use at once without it being const: it does its own locking. A shared_ptr to such an
/// object is Sendable.
template <class T> inline constexpr bool enable_synchronized = false;

/// What its author vouches for: a closure that refers to things which outlive it and are used by one thread at a time, say.
template <class T> struct AssumedSendable {
    T value;
    template <class... A> auto operator()(A&&... arguments)
        -> decltype(std::invoke(value, std::forward<A>(arguments)...)) {
        return std::invoke(value, std::forward<A>(arguments)...);
    }
};
/// Nothing checks what this lets through. Better: give the thread what it needs as arguments.
template <class T> AssumedSendable<std::decay_t<T>> assume_sendable(T&& value) {
    return {std::forward<T>(value)};
}

template <> inline constexpr bool enable_sendable<MaterializedArray> = true;
template <class T> inline constexpr bool enable_sendable<AssumedSendable<T>> = true;

// ---- the standard library
template <class C, class R, class A> inline constexpr bool enable_sendable<std::basic_string<C, R, A>> =
    Sendable<C>;
template <class T, class A> inline constexpr bool enable_sendable<std::vector<T, A>> = Sendable<T>;
template <class T, class A> inline constexpr bool enable_sendable<std::deque<T, A>> = Sendable<T>;
template <class T, std::size_t N> inline constexpr bool enable_sendable<std::array<T, N>> = Sendable<T>;
template <class K, class C, class A> inline constexpr bool enable_sendable<std::set<K, C, A>> = Sendable<K>;
template <class K, class T, class C, class A> inline constexpr bool enable_sendable<std::map<K, T, C, A>> =
    Sendable<K> && Sendable<T>;
template <class K, class H, class E, class A>
inline constexpr bool enable_sendable<std::unordered_set<K, H, E, A>> = Sendable<K>;
template <class K, class T, class H, class E, class A>
inline constexpr bool enable_sendable<std::unordered_map<K, T, H, E, A>> = Sendable<K> && Sendable<T>;
template <class T> inline constexpr bool enable_sendable<std::optional<T>> = Sendable<T>;
template <class... T> inline constexpr bool enable_sendable<std::variant<T...>> = (Sendable<T> && ...);
template <class... T> inline constexpr bool enable_sendable<std::tuple<T...>> = (Sendable<T> && ...);
template <class A, class B> inline constexpr bool enable_sendable<std::pair<A, B>> =
    Sendable<A> && Sendable<B>;
template <class R, class P> inline constexpr bool enable_sendable<std::chrono::duration<R, P>> = Sendable<R>;
template <class C, class D> inline constexpr bool enable_sendable<std::chrono::time_point<C, D>> =
    Sendable<D>;
template <class T> inline constexpr bool enable_sendable<std::unique_ptr<T>> = Sendable<T>;
/// The object is shared: it must be const, or do its own locking.
template <class T> inline constexpr bool enable_sendable<std::shared_ptr<T>> =
    (std::is_const_v<T> && Sendable<T>) || enable_synchronized<std::remove_const_t<T>>;

template <class T> inline constexpr bool enable_synchronized<std::atomic<T>> = Sendable<T>;
template <> inline constexpr bool enable_synchronized<std::mutex> = true;

namespace detail {

struct AnyMember {
    template <class T> operator T() const noexcept;
};
struct SendableMember {
    template <class T>
        requires Sendable<T>
    operator T() const noexcept;
};
template <class T, class Member, std::size_t... K> consteval bool takes_members(std::index_sequence<K...>) {
    return requires { T{(static_cast<void>(K), Member{})...}; };
}

inline constexpr std::size_t most_sendable_members = 16;

/// One more than the most means too many.
template <class T, std::size_t N = most_sendable_members + 1> consteval std::size_t member_count() {
    if constexpr (N == 0)
        return 0;
    else if constexpr (takes_members<T, AnyMember>(std::make_index_sequence<N>()))
        return N;
    else
        return member_count<T, N - 1>();
}

template <class T> consteval bool sendable_aggregate() {
    constexpr std::size_t count = member_count<T>();
    if constexpr (count == 0 || count > most_sendable_members)
        return std::is_empty_v<T>;
    else if constexpr (!std::is_standard_layout_v<T> && !std::is_move_assignable_v<T>)
        return false; // a member may be a reference
    else
        return takes_members<T, SendableMember>(std::make_index_sequence<count>());
}

template <class T> consteval bool sendable() {
    if constexpr (std::is_reference_v<T>)
        return false;
    else if constexpr (std::is_pointer_v<T>)
        return std::is_function_v<std::remove_pointer_t<T>>;
    else if constexpr (std::is_scalar_v<T> || std::is_void_v<T>)
        return true; // numbers, enumerations, pointers to members
    else if constexpr (std::is_array_v<T>)
        return Sendable<std::remove_extent_t<T>>;
    else if constexpr (enable_sendable<T>)
        return true;
    else if constexpr (std::is_aggregate_v<T>)
        return sendable_aggregate<T>();
    else
        // A function object that holds nothing: of lambdas, those without captures.
        return std::is_empty_v<T> && std::is_trivially_copyable_v<T> && std::is_default_constructible_v<T>;
}

} // namespace detail
} // namespace heddle
