#include "ir/attributes.h"

#include "support/hash.h"

#include <algorithm>

namespace heddle::ir {
namespace {

struct KeyInfo {
    std::string_view text;
    AttributeForm form;
};

constexpr KeyInfo keys_table[] = {
#define ATTRIBUTE(key, form) {#key, AttributeForm::form},
#include "ir/attributes.def"
};

} // namespace

std::string_view name_of(Key key) { return keys_table[static_cast<std::size_t>(key)].text; }
AttributeForm form_of(Key key) { return keys_table[static_cast<std::size_t>(key)].form; }

bool key_named(std::string_view text, Key& key) {
    for (std::size_t k = 0; k < std::size(keys_table); ++k) {
        if (keys_table[k].text != text) continue;
        key = static_cast<Key>(k);
        return true;
    }
    return false;
}

AttributeList& AttributeList::words(Key key, std::span<const i64> payload) {
    auto at = encoded_.begin();
    while (at != encoded_.end() && *at < static_cast<i64>(key)) at += 2 + at[1];
    if (at != encoded_.end() && *at == static_cast<i64>(key)) at = encoded_.erase(at, at + 2 + at[1]);
    const i64 header[2] = {static_cast<i64>(key), static_cast<i64>(payload.size())};
    at = encoded_.insert(at, header, header + 2);
    encoded_.insert(at + 2, payload.begin(), payload.end());
    return *this;
}

AttributeList& AttributeList::dims(Key key, std::span<const DimId> values) {
    std::vector<i64> payload(values.size());
    std::ranges::transform(values, payload.begin(), [](DimId id) { return i64{id.value}; });
    return words(key, payload);
}

AttributeList& AttributeList::bits(Key key, std::span<const u64> values) {
    std::vector<i64> payload(values.begin(), values.end());
    return words(key, payload);
}

Attributes::Attributes() { lists_.push_back({}); }

AttributesId Attributes::intern(const AttributeList& list) {
    if (list.empty()) return AttributesId{0u};
    std::span<const i64> encoded = list.encoded();
    const u64 hash = hash_span(17, encoded);
    const u32 known = index_.find(hash, [&](u32 number) {
        const Range& range = lists_[number];
        return std::ranges::equal(encoded, std::span(pool_).subspan(range.begin, range.count));
    });
    if (known != HashIndex::none) return AttributesId{known};
    const AttributesId id{lists_.size()};
    lists_.push_back({static_cast<u32>(pool_.size()), static_cast<u32>(encoded.size())});
    pool_.insert(pool_.end(), encoded.begin(), encoded.end());
    index_.insert(hash, id.value);
    return id;
}

bool Attributes::has(AttributesId id, Key key) const {
    const Range& range = lists_[id.value];
    for (u32 at = range.begin; at < range.begin + range.count; at += 2 + static_cast<u32>(pool_[at + 1]))
        if (pool_[at] == static_cast<i64>(key)) return true;
    return false;
}

std::span<const i64> Attributes::payload(AttributesId id, Key key) const {
    const Range& range = lists_[id.value];
    for (u32 at = range.begin; at < range.begin + range.count; at += 2 + static_cast<u32>(pool_[at + 1])) {
        if (pool_[at] == static_cast<i64>(key))
            return {pool_.data() + at + 2, static_cast<std::size_t>(pool_[at + 1])};
    }
    return {};
}

i64 Attributes::integer(AttributesId id, Key key, i64 otherwise) const {
    std::span<const i64> words = payload(id, key);
    return words.empty() ? otherwise : words[0];
}

std::vector<DimId> Attributes::dims(AttributesId id, Key key) const {
    std::vector<DimId> result;
    for (i64 word : payload(id, key)) result.emplace_back(static_cast<u32>(word));
    return result;
}

std::vector<Key> Attributes::keys(AttributesId id) const {
    std::vector<Key> result;
    const Range& range = lists_[id.value];
    for (u32 at = range.begin; at < range.begin + range.count; at += 2 + static_cast<u32>(pool_[at + 1]))
        result.push_back(static_cast<Key>(pool_[at]));
    return result;
}

AttributeList Attributes::list(AttributesId id) const {
    AttributeList list;
    for (Key key : keys(id)) list.words(key, payload(id, key));
    return list;
}

} // namespace heddle::ir
