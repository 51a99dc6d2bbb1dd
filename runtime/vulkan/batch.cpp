#include "runtime/vulkan/batch.h"

#include <algorithm>

namespace heddle::runtime::vulkan {

std::size_t OwnedSet::slot_of(const void* object, std::size_t mask) {
    u64 mixed = reinterpret_cast<u64>(object) * 0x9E3779B97F4A7C15ull;
    return static_cast<std::size_t>(mixed >> 20) & mask;
}

bool OwnedSet::insert(const void* object) {
    if (2 * (used_ + 1) > table_.size()) {
        std::vector<const void*> old(std::max<std::size_t>(64, table_.size() * 2), nullptr);
        old.swap(table_);
        used_ = 0;
        for (const void* known : old)
            if (known != nullptr) insert(known);
    }
    std::size_t mask = table_.size() - 1, slot = slot_of(object, mask);
    for (; table_[slot] != nullptr; slot = (slot + 1) & mask)
        if (table_[slot] == object) return false;
    table_[slot] = object;
    ++used_;
    return true;
}

void OwnedSet::clear() {
    owned_.clear();
    std::fill(table_.begin(), table_.end(), nullptr);
    used_ = 0;
}

void Batch::clear() {
    owned.clear();
    owned_bytes = 0;
    work = 0;
    parameters = nullptr;
    if (descriptors != nullptr) descriptors->clear();
    parameters_used = 0;
    touched.clear();
    bound = nullptr;
}

} // namespace heddle::runtime::vulkan
