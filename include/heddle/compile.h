#pragma once
// compile(): a C++ function over arrays becomes one that is traced once a signature (dtypes, shapes, static arguments; with
// `shapeless`: dtypes, ranks and which sizes are 1), fused into few kernels, and run. Nothing happens before the first call; a later
// call costs time proportional to its inputs. While a thread traces, a compiled function is inlined like any other.
//
// The callable must be a function of its arguments: what it captures is frozen at the first trace. Arrays that it
// captures become inputs of the program, by identity. A `Compiled` is a handle; copies share traces and may be called from any thread.

#include <heddle/sendable.h>
#include <heddle/tree.h>

#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace heddle {

struct CompileOptions {
    bool shapeless = false; ///< one trace for every size
    bool strict = false;    ///< with shapeless: a guard on a size is an error at the line that causes it
    /// Speed before the last bits: f32 functions to 2^-13 (on Vulkan as the device has them: 2^-11), reciprocals instead of repeated
    /// divisions, products contracted with sums. On Vulkan, zeros, infinities, NaN and large angles in functions are the device's
    /// affair. docs/math.md says what exactly.
    bool fast_math = false;
    std::string device; ///< empty: where the arguments are, else the context's default
    /// `[KERNEL=]SCHEDULE`, several with `;` between them: what kernels have in place of the compiler's choice, where sizes and alignment
    /// allow it. Some kernel has to be able to have each, or the call is a UsageError. docs/tuning.md has the text form.
    std::string schedule;
    /// Whether other schedules are timed on the device; nothing: as ContextOptions::tune says.
    std::optional<bool> tune;
};

/// What `Compiled::dump` shows: the trace, the graph after its passes, the kernels, their code.
enum class Stage { trace, graph, kernels, spirv, llvm, assembly, report };

namespace detail {

class FunctionState;

/// One argument of a call: an array, or a number that the trace sees as a rank-0 array.
class Argument {
public:
    using Where = std::source_location;
    Argument(const Array& array, Where where = Where::current()) : operand_(array, where) {}
    Argument(Array&& array, Where where = Where::current())
        : moved_(std::move(array)), operand_(moved_, where), donated_(true) {}
    template <HoldsArray T> Argument(const T& holder, Where where = Where::current())
        : operand_(holder.as_array(), where) {}
    template <Number T> Argument(T number, Where where = Where::current()) : operand_(number, where) {}
    Argument(const Argument&) = delete;
    Argument& operator=(const Argument&) = delete;
    const Operand& operand() const { return operand_; }
    bool donated() const { return donated_; }

private:
    Array moved_; ///< what was given away: nobody sees it overwritten
    Operand operand_;
    bool donated_ = false;
};

struct Leaf {
    Operand operand;
    bool donated = false;
};

/// The arguments of one call, taken apart.
class Frame {
public:
    explicit Frame(Array::Where where) : where(where) {}
    void add(const Operand& operand, bool donated) {
        if (count_ < inline_leaves)
            new (&inline_[count_]) Leaf{operand, donated};
        else
            more_.push_back({operand, donated});
        ++count_;
    }
    std::size_t size() const { return count_; }
    const Leaf& operator[](std::size_t k) const {
        return k < inline_leaves ? *std::launder(reinterpret_cast<const Leaf*>(&inline_[k]))
                                 : more_[k - inline_leaves];
    }
    std::vector<std::uint64_t> words; ///< of structures and static values
    Array::Where where;

private:
    static constexpr std::size_t inline_leaves = 8;
    struct alignas(Leaf) Room {
        std::byte bytes[sizeof(Leaf)];
    };
    static_assert(std::is_trivially_destructible_v<Leaf>);
    Room inline_[inline_leaves];
    std::vector<Leaf> more_;
    std::size_t count_ = 0;
};

/// Results of one call or trace, taken apart. `prototype` is the result with empty arrays, where it is not one array.
struct Results {
    std::vector<Array> arrays;
    Array single;
    bool is_single = false;
    std::shared_ptr<const void> prototype;
};

/// Runs the callable on tracers, one for each leaf.
using Tracee = std::function<void(std::span<const Array> leaves, Results& results)>;
/// Kept so that a call need not make a std::function.
struct TraceeRef {
    void* closure;
    void (*run)(void* closure, std::span<const Array> leaves, Results& results);
    void operator()(std::span<const Array> leaves, Results& results) const { run(closure, leaves, results); }
};

std::shared_ptr<FunctionState> make_function(std::string name, const CompileOptions& options);
void call(FunctionState& function, const Frame& frame, TraceeRef tracee, Results& results);
void dump(FunctionState& function, const Frame& frame, TraceeRef tracee, Stage stage, std::ostream& out);
struct FunctionCounters {
    std::uint64_t traces, specializations, guard_misses;
};
FunctionCounters counters(const FunctionState& function);
const std::string& name_of(const FunctionState& function);

template <class T> struct ParameterOf {
    using type = std::remove_cvref_t<T>;
};
template <> struct ParameterOf<const Operand&> {
    using type = Array;
};
template <> struct ParameterOf<Operand> {
    using type = Array;
};

/// How a caller passes a parameter of type P.
template <class P> struct Passing {
    using type = const P&;
    static void take_apart(Frame& frame, const P& argument) {
        visit_tree(
            argument, [&](const Array& leaf) { frame.add(Operand(leaf, frame.where), false); },
            [&](std::uint64_t word) { frame.words.push_back(word); });
    }
    /// The argument with tracers in the place of its arrays.
    static P rebuild(const P& argument, std::span<const Array> leaves, std::size_t& at) {
        P result = argument;
        visit_tree(result, [&](Array& leaf) { leaf = leaves[at++]; }, [](std::uint64_t) {});
        return result;
    }
};
template <> struct Passing<Array> {
    using type = Argument;
    static void take_apart(Frame& frame, const Argument& argument) {
        frame.add(argument.operand(), argument.donated());
    }
    static Array rebuild(const Argument&, std::span<const Array> leaves, std::size_t& at) {
        return leaves[at++];
    }
};

template <class T> struct Passing<Static<T>> {
    using type = Static<T>;
    static void take_apart(Frame& frame, const Static<T>& argument) {
        static_words(argument.value, [&](std::uint64_t word) { frame.words.push_back(word); });
    }
    static Static<T> rebuild(const Static<T>& argument, std::span<const Array>, std::size_t&) {
        return argument;
    }
};

template <class R> void take_results(R&& result, Results& results) {
    using Plain = std::remove_cvref_t<R>;
    if constexpr (std::is_same_v<Plain, Array>) {
        results.single = std::forward<R>(result);
        results.is_single = true;
    } else {
        auto prototype = std::make_shared<Plain>(std::forward<R>(result));
        visit_tree(
            *prototype,
            [&](Array& leaf) {
                results.arrays.push_back(std::move(leaf));
                leaf = Array();
            },
            [](std::uint64_t) {});
        results.prototype = std::move(prototype);
    }
}

template <class R> R give_results(Results& results) {
    if constexpr (std::is_same_v<R, Array>) {
        return std::move(results.single);
    } else if constexpr (!std::is_void_v<R>) {
        R value = *static_cast<const R*>(results.prototype.get());
        std::size_t at = 0;
        visit_tree(value, [&](Array& leaf) { leaf = std::move(results.arrays[at++]); }, [](std::uint64_t) {});
        return value;
    }
}

} // namespace detail

template <class Signature> class Compiled;

/// What compile() gives: called like the function it was made from. Numbers may be passed where it takes arrays. An array
/// that is passed with std::move, and that nobody else holds, may be overwritten with a result.
template <class R, class... P> class Compiled<R(P...)> {
public:
    template <class F> Compiled(std::string name, F function, const CompileOptions& options)
        : state_(detail::make_function(std::move(name), options)),
          function_(std::make_shared<std::function<R(P...)>>(std::move(function))) {}

    using Where = std::source_location;
    template <class T> using Pass = typename detail::Passing<typename detail::ParameterOf<T>::type>::type;

    R operator()(Pass<P>... arguments, Where where = Where::current()) const {
        detail::Results results;
        run(
            where,
            [&](const detail::Frame& frame, detail::TraceeRef tracee) {
                detail::call(*state_, frame, tracee, results);
            },
            arguments...);
        return detail::give_results<std::remove_cvref_t<R>>(results);
    }
    /// Writes the IR or code of the specialization that these arguments select, compiling it if need be.
    void dump(std::ostream& out, Stage stage, Pass<P>... arguments, Where where = Where::current()) const {
        run(
            where,
            [&](const detail::Frame& frame, detail::TraceeRef tracee) {
                detail::dump(*state_, frame, tracee, stage, out);
            },
            arguments...);
    }
    const std::string& name() const { return detail::name_of(*state_); }
    /// How often the callable was traced.
    std::uint64_t traces() const { return detail::counters(*state_).traces; }
    std::uint64_t specializations() const { return detail::counters(*state_).specializations; }
    /// How often a call of a shapeless function tried a specialization whose guards did not hold, apart from that of the thread's
    /// last call. Specializations for one value of a size are found by it and not tried.
    std::uint64_t guard_misses() const { return detail::counters(*state_).guard_misses; }

private:
    template <class Use> void run(Where where, Use use, const Pass<P>&... arguments) const {
        detail::Frame frame(where);
        (detail::Passing<typename detail::ParameterOf<P>::type>::take_apart(frame, arguments), ...);
        auto trace = [&]([[maybe_unused]] std::span<const Array> leaves, detail::Results& results) {
            [[maybe_unused]] std::size_t at = 0;
            // Braces: arguments are rebuilt from left to right.
            std::tuple<typename detail::ParameterOf<P>::type...> rebuilt{
                detail::Passing<typename detail::ParameterOf<P>::type>::rebuild(arguments, leaves, at)...};
            std::apply(
                [&](auto&... argument) {
                    // The tuple must not keep a tracer alive that the callable moved on.
                    if constexpr (std::is_void_v<R>)
                        (*function_)(std::move(argument)...);
                    else
                        detail::take_results((*function_)(std::move(argument)...), results);
                },
                rebuilt);
        };
        use(frame, {&trace, [](void* closure, std::span<const Array> leaves, detail::Results& results) {
                        (*static_cast<decltype(trace)*>(closure))(leaves, results);
                    }});
    }

    std::shared_ptr<detail::FunctionState> state_;
    std::shared_ptr<std::function<R(P...)>> function_;
};

/// The callable is traced on whatever thread calls it first, as said above.
template <class S> inline constexpr bool enable_sendable<Compiled<S>> = true;

namespace detail {

template <class F> struct SignatureOf {
    using type = typename SignatureOf<decltype(std::function(std::declval<F>()))>::type;
};
template <class R, class... P> struct SignatureOf<std::function<R(P...)>> {
    static_assert(
        (!std::is_arithmetic_v<std::remove_cvref_t<P>> && ...),
        "heddle::compile: a parameter of this function is a bare number. Take heddle::Array for a number "
        "that "
        "changes from call to call (callers may still pass a number), or heddle::Static<T> for one that "
        "is known when the function is traced.");
    static_assert(
        (!(std::is_lvalue_reference_v<P> && !std::is_const_v<std::remove_reference_t<P>>) && ...),
        "heddle::compile: a parameter of this function is a reference it could change; results are returned");
    using type = R(P...);
};

} // namespace detail

/// The function that does what `function` does, compiled. `name` stands in errors, dumps and profiles.
template <class F> auto compile(std::string name, F function, const CompileOptions& options = {}) {
    return Compiled<typename detail::SignatureOf<F>::type>(std::move(name), std::move(function), options);
}
/// For callables with several signatures: `compile<Array(Array, Array)>("f", [](auto a, auto b) { ... })`.
template <class Signature, class F>
    requires std::is_function_v<Signature>
auto compile(std::string name, F function, const CompileOptions& options = {}) {
    return Compiled<Signature>(std::move(name), std::move(function), options);
}

} // namespace heddle
