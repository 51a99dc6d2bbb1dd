#include <heddle/nn/module.h>

#include "frontend/location.h"

#include <heddle/error.h>

#include <fmt/format.h>

namespace heddle::nn {

using heddle::detail::text;

namespace detail {

std::string take_name(std::string_view& names) {
    const std::size_t first = names.find_first_not_of(" \n\t,");
    const std::size_t last = names.find_first_of(" \n\t,", first);
    const std::string name(names.substr(first, last == names.npos ? last : last - first));
    names.remove_prefix(last == names.npos ? names.size() : last);
    return name;
}

} // namespace detail

namespace {

[[noreturn]] void refuse_locked(std::string_view what) {
    throw UsageError(fmt::format("{}: a materialized module does not change; change a copy", what));
}

/// Is the name that of the node, or below it?
bool is_below(std::string_view name, std::string_view node) {
    return node.empty() || name == node ||
           (name.size() > node.size() && name.starts_with(node) && name[node.size()] == '.');
}

} // namespace

void Parameter::check_unlocked() const {
    if (locked_) refuse_locked("parameter");
}

Parameter& Parameter::operator=(const Parameter& other) {
    check_unlocked();
    value_ = other.value_;
    frozen_ = other.frozen_;
    return *this;
}

Parameter& Parameter::operator=(Array value) {
    check_unlocked();
    value_ = std::move(value);
    return *this;
}

const Array& Parameter::as_array() const {
    if (!has_value()) throw UsageError("parameter: it is absent; ask has_value() first");
    return value_;
}

void Module::check_unlocked(std::string_view what) const {
    if (locked_) refuse_locked(what);
}

Module& Module::operator=(const Module& other) {
    check_unlocked("assignment");
    training_ = other.training_;
    return *this;
}

void Module::collect(const std::string& prefix, Slots& to) {
    const detail::MutableMembers own = members();
    for (const auto& [name, parameter] : own.parameters) to.leaves.emplace_back(prefix + name, parameter);
    for (const auto& [name, module] : own.modules) module->collect(prefix + name + ".", to);
}

void Module::collect(const std::string& prefix, NamedTree<Array>& to, bool frozen_too) const {
    const detail::ConstMembers own = members();
    for (const auto& [name, parameter] : own.parameters)
        if (parameter->has_value() && (frozen_too || !parameter->is_frozen()))
            to.leaves.emplace_back(prefix + name, parameter->as_array());
    for (const auto& [name, module] : own.modules) module->collect(prefix + name + ".", to, frozen_too);
}

Module::Slots Module::slots() {
    Slots all, present;
    collect("", all);
    for (auto& [name, slot] : all.leaves)
        if (slot->has_value()) present.leaves.emplace_back(std::move(name), slot);
    return present;
}

NamedTree<Array> Module::parameters() const {
    NamedTree<Array> result;
    collect("", result, true);
    return result;
}

NamedTree<Array> Module::trainable_parameters() const {
    NamedTree<Array> result;
    collect("", result, false);
    return result;
}

void Module::update(const NamedTree<Array>& values, Where where) {
    check_unlocked("update");
    const Slots own = slots();
    std::vector<std::pair<Parameter*, Array>> changes;
    for (const auto& [name, value] : values) {
        Parameter* const* slot = own.find(name);
        if (slot == nullptr)
            throw UsageError(fmt::format("update: the module has no parameter '{}' ({})", name, text(where)));
        const Shape expected = (*slot)->as_array().shape(where), given = value.shape(where);
        if (!(expected == given))
            throw ShapeError(fmt::format("update: '{}' is {}, given {} ({})", name, expected.text(),
                                         given.text(), text(where)));
        changes.emplace_back(*slot, value);
    }
    for (auto& [slot, value] : changes) *slot = std::move(value);
}

void Module::apply(const std::function<Array(const Array&)>& change) {
    check_unlocked("apply");
    const Slots own = slots();
    std::vector<Array> values;
    for (const auto& leaf : own) values.push_back(change(leaf.second->as_array()));
    for (std::size_t k = 0; k < values.size(); ++k) *own.leaves[k].second = std::move(values[k]);
}

void Module::set_frozen(std::string_view node, bool frozen, Where where) {
    check_unlocked(frozen ? "freeze" : "unfreeze");
    Slots all;
    collect("", all);
    bool found = node.empty();
    for (const auto& [name, slot] : all)
        if (is_below(name, node)) {
            slot->frozen_ = frozen;
            found = true;
        }
    if (!found)
        throw UsageError(fmt::format("{}: the module has no '{}' ({})", frozen ? "freeze" : "unfreeze", node,
                                     text(where)));
}

void Module::freeze(std::string_view node, Where where) { set_frozen(node, true, where); }
void Module::unfreeze(std::string_view node, Where where) { set_frozen(node, false, where); }

void Module::train(bool on) {
    check_unlocked("train");
    training_ = on;
    for (const auto& [name, module] : members().modules) module->train(on);
}

void Module::lock() {
    locked_ = true;
    const detail::MutableMembers own = members();
    for (const auto& [name, parameter] : own.parameters) parameter->locked_ = true;
    for (const auto& [name, module] : own.modules) module->lock();
}

} // namespace heddle::nn
