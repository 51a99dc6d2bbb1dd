#include "runtime/vulkan/owned_set.h"

#include <algorithm>

namespace heddle::runtime::vulkan {

std::size_t OwnedSet::slot_of(const void* object, std::size_t mask) {
    u64 mixed = reinterpret_cast<u64>(object) * 0x9E3779B97F4A7C15ull;
    return static_cast<std::size_t>(mixed >> 20) & mask;
}

bool OwnedSet::listed(const void* object) const {
    return std::ranges::any_of(owned_,
                               [&](const std::shared_ptr<void>& known) { return known.get() == object; });
}

/// All in the table, which is at most half full with so many.
void OwnedSet::grow_table(std::size_t count) {
    std::size_t slots = std::max<std::size_t>(64, table_.size());
    while (2 * count > slots) slots *= 2;
    if (tabled_ && slots == table_.size()) return;
    if (slots != table_.size()) std::vector<const void*>(slots, nullptr).swap(table_);
    tabled_ = true;
    for (const std::shared_ptr<void>& known : owned_) insert(known.get());
}

void OwnedSet::make_room(std::size_t count) {
    if (owned_.capacity() - owned_.size() < count)
        owned_.reserve(std::max(2 * owned_.capacity(), owned_.size() + count));
    if (owned_.size() + count > few) grow_table(owned_.size() + count);
}

bool OwnedSet::insert(const void* object) {
    std::size_t mask = table_.size() - 1, slot = slot_of(object, mask);
    for (; table_[slot] != nullptr; slot = (slot + 1) & mask)
        if (table_[slot] == object) return false;
    table_[slot] = object;
    return true;
}

void OwnedSet::clear() {
    owned_.clear();
    if (!tabled_) return;
    std::fill(table_.begin(), table_.end(), nullptr);
    tabled_ = false;
}

} // namespace heddle::runtime::vulkan
