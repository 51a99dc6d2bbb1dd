#pragma once
// Modules: values that hold parameters and other modules, and whose forward functions are const. Copying one copies the tree and shares
// the arrays. A module lists what it holds once, and everything else follows from that:
//
//     class Mlp : public nn::Module {
//     public:
//         Mlp(int size, const hd::Array& key);
//         hd::Array operator()(const hd::Array& x) const { return down(hd::silu(up(x))); }
//         nn::Linear up, down;
//         HEDDLE_MEMBERS(up, down)
//     };
//
// What else it holds (sizes, an epsilon) is set when it is made and only read afterwards: forward functions of one module run on many
// threads at once after it was materialized (<heddle/nn/materialized_module.h>).

#include <heddle/nn/parameter.h>

#include <concepts>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace heddle::nn {

class Module;
template <class M> class MaterializedModule;

namespace detail {

/// The slots of one module, by name.
template <class P, class M> struct Members {
    std::vector<std::pair<std::string, P*>> parameters;
    std::vector<std::pair<std::string, M*>> modules;

    void add(std::string name, P& parameter) { parameters.emplace_back(std::move(name), &parameter); }
    void add(std::string name, M& module) { modules.emplace_back(std::move(name), &module); }
};
using MutableMembers = Members<Parameter, Module>;
using ConstMembers = Members<const Parameter, const Module>;

/// Takes the first of "weight, bias" off the list.
std::string take_name(std::string_view& names);

template <class List, class... T> List list_members(std::string_view names, T&... members) {
    List list;
    (list.add(take_name(names), members), ...);
    return list;
}

} // namespace detail

/// In a module's class, once: its parameters and modules.
#define HEDDLE_MEMBERS(...)                                                                                  \
    ::heddle::nn::detail::MutableMembers members() override {                                                \
        return ::heddle::nn::detail::list_members<::heddle::nn::detail::MutableMembers>(#__VA_ARGS__,        \
                                                                                        __VA_ARGS__);        \
    }                                                                                                        \
    ::heddle::nn::detail::ConstMembers members() const override {                                            \
        return ::heddle::nn::detail::list_members<::heddle::nn::detail::ConstMembers>(#__VA_ARGS__,          \
                                                                                      __VA_ARGS__);          \
    }

class Module {
public:
    using Where = Array::Where;

    virtual ~Module() = default;

    /// Those that are present.
    NamedTree<Array> parameters() const;
    /// Those that are not frozen.
    NamedTree<Array> trainable_parameters() const;
    bool is_training() const { return training_; }

    // ---- changing it. Each is a UsageError for a materialized module, and nothing has changed when one throws.
    /// Other values for some parameters. UsageError for a name that is not among parameters(), ShapeError for another shape than
    /// the parameter has; the dtype may differ.
    void update(const NamedTree<Array>& values, Where where = Where::current());
    /// Replaces each parameter with what `change` makes of it, of any shape and dtype.
    void apply(const std::function<Array(const Array&)>& change);
    /// Takes all parameters, or those below a node ("layers.0"), or one, out of trainable_parameters(), and puts them back.
    /// UsageError when there is none.
    void freeze(std::string_view node = {}, Where where = Where::current());
    void unfreeze(std::string_view node = {}, Where where = Where::current());
    /// Turns on, here and in all modules below, what only happens in training (Dropout).
    void train(bool on = true);

    /// What HEDDLE_MEMBERS writes.
    virtual detail::MutableMembers members() = 0;
    virtual detail::ConstMembers members() const = 0;

protected:
    Module() = default;
    /// The copy may be changed, whether `other` may or not.
    Module(const Module& other) : training_(other.training_) {}
    Module& operator=(const Module& other);
    /// UsageError for a part of a materialized module.
    void check_unlocked(std::string_view what) const;

private:
    template <class M> friend class MaterializedModule;
    using Slots = NamedTree<Parameter*>;
    Slots slots();
    void collect(const std::string& prefix, Slots& to);
    void collect(const std::string& prefix, NamedTree<Array>& to, bool frozen_too) const;
    void set_frozen(std::string_view node, bool frozen, Where where);
    void lock();

    bool training_ = false;
    bool locked_ = false; ///< part of a materialized module
};

/// Any number of modules of one type, named by their position.
template <std::derived_from<Module> M> class ModuleList : public Module {
public:
    ModuleList() = default;
    explicit ModuleList(std::vector<M> modules) : modules_(std::move(modules)) {}
    /// Copied, never moved: a move would empty the list of a materialized module.
    ModuleList(const ModuleList&) = default;
    ModuleList& operator=(const ModuleList&) = default;

    std::size_t size() const { return modules_.size(); }
    const M& operator[](std::size_t k) const { return modules_[k]; }
    M& operator[](std::size_t k) { return modules_[k]; }
    auto begin() const { return modules_.begin(); }
    auto end() const { return modules_.end(); }
    auto begin() { return modules_.begin(); }
    auto end() { return modules_.end(); }
    void push_back(M module) {
        check_unlocked("push_back");
        modules_.push_back(std::move(module));
    }
    void pop_back() {
        check_unlocked("pop_back");
        modules_.pop_back();
    }

    detail::MutableMembers members() override {
        detail::MutableMembers list;
        for (std::size_t k = 0; k < size(); ++k) list.add(std::to_string(k), modules_[k]);
        return list;
    }
    detail::ConstMembers members() const override {
        detail::ConstMembers list;
        for (std::size_t k = 0; k < size(); ++k) list.add(std::to_string(k), modules_[k]);
        return list;
    }

private:
    std::vector<M> modules_;
};

} // namespace heddle::nn
