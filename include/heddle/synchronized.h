#pragma once
// `Synchronized<T>`: a value that one thread at a time may use. with_lock() runs a closure on it and lets the next one in only when the
// closure's work is finished: what it left pending has been run, and what it submitted to a device has completed. Whoever waits is let
// in in the order of arrival.

#include <heddle/sendable.h>

#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <source_location>
#include <thread>
#include <type_traits>
#include <utility>

namespace heddle {

namespace detail {

/// First come, first served.
class FairMutex {
public:
    /// UsageError when this thread holds it: it would wait for itself.
    void lock(std::source_location where);
    bool try_lock();
    void unlock();
    std::size_t waiting() const;

private:
    mutable std::mutex mutex_;
    std::condition_variable turn_;
    std::uint64_t next_ticket_ = 0;
    std::uint64_t served_ = 0; ///< tickets below are done; held while it is not next_ticket_
    std::thread::id owner_;
};

/// The work of this thread from here on, in its current context.
class WorkScope {
public:
    /// TraceError in a trace, whose work is not run here.
    explicit WorkScope(std::source_location where);
    /// Runs what is pending since, and waits for all that this thread has submitted. Throws what fails.
    void finish();
    /// Waits for what was submitted, and runs nothing more.
    void abandon() noexcept;

private:
    std::uint64_t before_; ///< lazy values of this thread until now
};

} // namespace detail

template <class T> class Synchronized {
public:
    using Where = std::source_location;

    explicit Synchronized(T value) : value_(std::move(value)) {}
    template <class... A> explicit Synchronized(std::in_place_t, A&&... arguments)
        : value_(std::forward<A>(arguments)...) {}
    Synchronized(const Synchronized&) = delete;
    Synchronized& operator=(const Synchronized&) = delete;

    /// Waits for its turn, calls `use` with the value, waits for what that started, and gives its result (a copy, where it returns a
    /// reference). Also when `use` throws, the next one is let in once what it submitted has completed. UsageError when called by `use`
    /// itself, TraceError in a trace, whose work is not run here.
    template <std::invocable<T&> F>
        requires(!std::is_pointer_v<std::decay_t<std::invoke_result_t<F, T&>>>)
    auto with_lock(F&& use, Where where = Where::current()) {
        mutex_.lock(where);
        return locked(std::forward<F>(use), where);
    }
    /// Does not wait for its turn: false when the value is in use, else true after the same.
    template <std::invocable<T&> F> bool try_with_lock(F&& use, Where where = Where::current()) {
        if (!mutex_.try_lock()) return false;
        locked([&](T& value) { static_cast<void>(std::invoke(use, value)); }, where);
        return true;
    }
    /// How many threads wait for their turn.
    std::size_t waiting() const { return mutex_.waiting(); }

private:
    template <class F> auto locked(F&& use, Where where) {
        struct Unlock {
            detail::FairMutex& mutex;
            ~Unlock() { mutex.unlock(); }
        };
        const Unlock unlock{mutex_};
        detail::WorkScope work(where);
        try {
            if constexpr (std::is_void_v<std::invoke_result_t<F, T&>>) {
                std::invoke(std::forward<F>(use), value_);
                work.finish();
            } else {
                auto result = std::invoke(std::forward<F>(use), value_);
                work.finish();
                return result;
            }
        } catch (...) {
            work.abandon();
            throw;
        }
    }

    detail::FairMutex mutex_;
    T value_;
};

template <class T> inline constexpr bool enable_synchronized<Synchronized<T>> = true;

} // namespace heddle
