#pragma once
// Work on another thread. What goes there and what comes back must be `Sendable`, which the compiler checks: arrays go as
// materialized arrays, and a lambda has no captures (nobody could see what they are) but takes what it needs as arguments.
//
//     std::future<hd::MaterializedArray> y = hd::run_on_thread([](hd::Array x) { return hd::materialize(x * 2.0f); }, hd::materialize(x));

#include <heddle/context.h>
#include <heddle/sendable.h>

#include <functional>
#include <future>
#include <type_traits>
#include <utility>

namespace heddle {

/// A callable that holds only what may cross threads.
template <class F>
concept SendableCallable = Sendable<std::decay_t<F>>;
/// What it gives back to the thread that waits: not an Array, but what materialize() makes of it.
template <class F, class... A>
concept SendableResult = Sendable<std::invoke_result_t<std::decay_t<F>, std::decay_t<A>...>>;

/// A call that another thread can do: the callable, its arguments and its result may go from thread to thread.
template <class F, class... A>
concept SendableWork = SendableCallable<F> && (Sendable<std::decay_t<A>> && ...) &&
                       std::invocable<std::decay_t<F>, std::decay_t<A>...> && SendableResult<F, A...>;

/// Calls `function` with `arguments` on a thread of its own, which works in the caller's context. The future gives the result or the
/// exception; destroying it waits for the thread.
template <class F, class... A>
    requires SendableWork<F, A...>
[[nodiscard]] auto run_on_thread(F&& function, A&&... arguments)
    -> std::future<std::invoke_result_t<std::decay_t<F>, std::decay_t<A>...>> {
    return std::async(
        std::launch::async,
        [state = Context::current().state()](auto own, auto... given) {
            Context context = Context::sharing(state);
            const Context::Scope scope(context);
            return std::invoke(std::move(own), std::move(given)...);
        },
        std::forward<F>(function), std::forward<A>(arguments)...);
}

} // namespace heddle
