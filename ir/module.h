#pragma once
// A module: the tables that functions and kernels share (dims, types, attributes, index maps, words, locations) and the
// functions themselves. A trace makes one module; nothing in it is global, and only one thread changes it at a time.

#include "ir/attributes.h"
#include "ir/dims.h"
#include "ir/index_map.h"
#include "ir/type.h"

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace heddle::ir {

class Function;
struct CustomCode;

using LocationId = Id<struct LocationTag>;

/// A place in the user's source. `scope` is the place that called the composite function in which this one lies, if any.
struct Location {
    std::string file;
    u32 line = 0;
    u32 column = 0;
    std::string function;
    LocationId scope;
};

/// Interned strings: op names in attributes, targets, scopes.
class Words {
public:
    WordId intern(std::string_view text);
    std::string_view operator[](WordId id) const { return words_[id.value]; }

private:
    std::deque<std::string> words_;
    std::unordered_map<std::string_view, WordId> index_;
};

class Module {
public:
    Module();
    ~Module();
    Module(const Module&) = delete;
    Module& operator=(const Module&) = delete;

    Dims dims;
    Types types;
    Attributes attributes;
    Words words;
    std::vector<Location> locations;

    /// Kernels of the user's that functions here run, by their word (see ir/custom.h).
    std::map<std::string, std::shared_ptr<const CustomCode>, std::less<>> customs;

    MapId map(const IndexMap& map);
    const IndexMap& operator[](MapId id) const { return maps_[id.value]; }
    LocationId location(Location location);

    /// Functions and kernels, in order. Names are unique.
    std::vector<std::unique_ptr<Function>> functions;
    Function& add_function(std::string name);
    Function& add_kernel(std::string name);
    Function* find(std::string_view name);

private:
    std::deque<IndexMap> maps_;
    HashIndex map_index_;
};

} // namespace heddle::ir
