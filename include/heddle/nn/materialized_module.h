#pragma once
// `MaterializedModule<M>`: a module all of whose parameters are materialized, and that does not change any more. It is made from a
// module by copying the tree, which shares the arrays; the module it was made from goes its own way. Copies share one instance. It is
// called like the module, has the model interfaces that M has, and may be used by any number of threads at once.

#include <heddle/nn/model.h>
#include <heddle/nn/module.h>
#include <heddle/sendable.h>

#include <functional>
#include <memory>
#include <source_location>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace heddle::nn {

namespace detail {

/// UsageError: a part of a larger object was given, whose rest would be lost.
[[noreturn]] void refuse_slice(const char* whole, const char* part, std::source_location where);

} // namespace detail

template <class M> class MaterializedModule : public detail::ForwardsEmbedding<MaterializedModule<M>, M>,
                                              public detail::ForwardsLanguage<MaterializedModule<M>, M> {
    static_assert(std::derived_from<M, Module>, "heddle: MaterializedModule is made of an nn::Module");

public:
    using Where = std::source_location;

    /// Evaluates all parameters as one graph; what that throws leaves nothing behind. UsageError when `module` is only the base of
    /// a larger one.
    explicit MaterializedModule(const M& module, Where where = Where::current())
        : made_(make(module, where)) {}
    MaterializedModule(const MaterializedModule&) noexcept = default;
    MaterializedModule& operator=(const MaterializedModule&) = delete;

    /// Of the same names as the module's; parameters that it does without are not there.
    const NamedTree<MaterializedArray>& parameters() const { return made_->parameters; }
    bool is_training() const { return module().is_training(); }

    /// The module's forward functions.
    template <class... A>
        requires std::invocable<const M&, A...>
    decltype(auto) operator()(A&&... arguments) const {
        return std::invoke(module(), std::forward<A>(arguments)...);
    }
    const M& module() const { return made_->module; }
    const M* operator->() const { return &module(); }

    /// Any other interface of M. A base that is a module is none: interfaces are const, modules have functions that change them.
    template <class I>
        requires(std::derived_from<M, I> && !std::derived_from<I, Module> && !std::same_as<I, Module> &&
                 !std::derived_from<MaterializedModule, I>)
    operator const I&() const {
        return module();
    }

    /// For interfaces that want a module they could change. It must not be changed while others use it, hence it cannot be:
    /// assigning to a parameter, a module or a list in it, update, apply, train and freeze are UsageErrors. Copy it to change it.
    M& unsafe_module() const { return made_->module; }

private:
    struct Made {
        M module;
        NamedTree<MaterializedArray> parameters;
    };

    static std::shared_ptr<Made> make(const M& module, Where where) {
        if (typeid(module) != typeid(M)) detail::refuse_slice(typeid(module).name(), typeid(M).name(), where);
        auto made = std::make_shared<Made>(Made{module, {}});
        Module& copy = made->module;
        const Module::Slots slots = copy.slots();
        std::vector<Array> values;
        for (const auto& leaf : slots) values.push_back(leaf.second->as_array());
        const std::vector<MaterializedArray> evaluated = heddle::materialize(values, where);
        for (std::size_t k = 0; k < evaluated.size(); ++k) {
            const auto& [name, slot] = slots.leaves[k];
            *slot = Parameter(evaluated[k], slot->is_frozen());
            made->parameters.leaves.emplace_back(name, evaluated[k]);
        }
        copy.lock();
        return made;
    }

    const std::shared_ptr<Made> made_;
};

} // namespace heddle::nn

namespace heddle {

template <class M> inline constexpr bool enable_sendable<nn::MaterializedModule<M>> = true;

/// The module as one that may go to other threads and is never changed.
template <std::derived_from<nn::Module> M>
nn::MaterializedModule<M> materialize(const M& module, Array::Where where = Array::Where::current()) {
    return nn::MaterializedModule<M>(module, where);
}
template <class M> nn::MaterializedModule<M> materialize(const nn::MaterializedModule<M>& module) {
    return module;
}

namespace nn {
using heddle::materialize;
}

} // namespace heddle
