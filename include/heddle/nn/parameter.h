#pragma once
// The slots of a module that hold its parameters, and the tree of names by which all of them are found: `layers.0.weight`.

#include <heddle/array.h>
#include <heddle/error.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace heddle::nn {

/// One parameter, or none where it is optional. Ops take it as they take an array.
class Parameter {
public:
    using Where = Array::Where;

    /// Absent: a bias that a layer does without.
    Parameter() = default;
    Parameter(Array value, bool frozen = false) : value_(std::move(value)), frozen_(frozen) {}
    /// Shares the value; the copy may be changed, whether this one may or not.
    Parameter(const Parameter& other) : value_(other.value_), frozen_(other.frozen_) {}
    /// Another value. UsageError for a parameter of a materialized module.
    Parameter& operator=(const Parameter& other);
    Parameter& operator=(Array value);

    bool has_value() const { return value_.has_value(); }
    /// UsageError when it is absent.
    const Array& as_array() const;
    operator Array() const { return as_array(); }
    std::optional<Array> optional() const {
        return has_value() ? std::optional<Array>(value_) : std::nullopt;
    }
    /// Not among those that training changes.
    bool is_frozen() const { return frozen_; }

private:
    friend class Module;
    void check_unlocked() const;

    Array value_;
    bool frozen_ = false;
    bool locked_ = false; ///< part of a materialized module
};

/// Values by dotted name, a module's own first and then those of the modules in it, as they were declared.
template <class Leaf> struct NamedTree {
    std::vector<std::pair<std::string, Leaf>> leaves;

    std::size_t size() const { return leaves.size(); }
    bool empty() const { return leaves.empty(); }
    auto begin() const { return leaves.begin(); }
    auto end() const { return leaves.end(); }
    const Leaf* find(std::string_view name) const {
        for (const auto& [own, leaf] : leaves)
            if (own == name) return &leaf;
        return nullptr;
    }
    bool contains(std::string_view name) const { return find(name) != nullptr; }
    /// UsageError when there is none of that name.
    const Leaf& at(std::string_view name) const {
        if (const Leaf* leaf = find(name)) return *leaf;
        throw UsageError("parameters: there is no '" + std::string(name) + "'");
    }
    /// The part of the tree below a node: of "layers.0", names such as "weight".
    NamedTree below(std::string_view node) const {
        NamedTree result;
        for (const auto& [name, leaf] : leaves)
            if (name.size() > node.size() && name.starts_with(node) && name[node.size()] == '.')
                result.leaves.emplace_back(name.substr(node.size() + 1), leaf);
        return result;
    }
    std::vector<std::string> names() const {
        std::vector<std::string> result;
        for (const auto& leaf : leaves) result.push_back(leaf.first);
        return result;
    }
};

} // namespace heddle::nn
