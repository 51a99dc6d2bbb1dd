#pragma once
// Attributes of nodes: sorted lists of (key, payload), hash-consed in one flat pool, so that comparing two lists is
// comparing two ids. A payload is a run of 64-bit words; ids (dims, types, maps, words) are stored by value.

#include "ir/index_map.h"
#include "ir/type.h"
#include "support/hash_index.h"

#include <span>
#include <string_view>
#include <vector>

namespace heddle::ir {

enum class Key : u8 {
#define ATTRIBUTE(key, form) key,
#include "ir/attributes.def"
};

enum class AttributeForm : u8 { integer, integers, dim, dims, word, words, type, map, bits, text, flag };

std::string_view name_of(Key key);
AttributeForm form_of(Key key);
bool key_named(std::string_view text, Key& key);

using AttributesId = Id<struct AttributesTag>;
using WordId = Id<struct WordTag>;

/// Collects the attributes of one node before they are interned. Small lists, no allocation for the usual ones.
class AttributeList {
public:
    AttributeList& integer(Key key, i64 value) { return words(key, std::span(&value, 1)); }
    AttributeList& integers(Key key, std::span<const i64> values) { return words(key, values); }
    AttributeList& flag(Key key, bool value) { return integer(key, value ? 1 : 0); }
    AttributeList& dim(Key key, DimId value) { return integer(key, value.value); }
    AttributeList& dims(Key key, std::span<const DimId> values);
    AttributeList& word(Key key, WordId value) { return integer(key, value.value); }
    AttributeList& type(Key key, TypeId value) { return integer(key, value.value); }
    AttributeList& map(Key key, MapId value) { return integer(key, value.value); }
    AttributeList& bits(Key key, u64 value) { return integer(key, static_cast<i64>(value)); }
    AttributeList& bits(Key key, std::span<const u64> values);
    /// Sets the payload of a key; replaces an earlier one.
    AttributeList& words(Key key, std::span<const i64> payload);
    bool empty() const { return encoded_.empty(); }

    /// Sorted runs of: key, payload length, payload words.
    std::span<const i64> encoded() const { return encoded_; }

private:
    std::vector<i64> encoded_;
};

/// The table of attribute lists of a module. The empty list is id 0.
class Attributes {
public:
    Attributes();
    AttributesId intern(const AttributeList& list);
    bool has(AttributesId id, Key key) const;
    /// Payload of a key; empty when the key is absent.
    std::span<const i64> payload(AttributesId id, Key key) const;
    i64 integer(AttributesId id, Key key, i64 otherwise = 0) const;
    std::vector<DimId> dims(AttributesId id, Key key) const;
    /// All keys of a list, in order.
    std::vector<Key> keys(AttributesId id) const;
    /// A copy that can be changed and interned again.
    AttributeList list(AttributesId id) const;

private:
    std::vector<i64> pool_;
    std::vector<Range> lists_;
    HashIndex index_;
};

} // namespace heddle::ir
