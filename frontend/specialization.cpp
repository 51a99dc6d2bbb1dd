#include "frontend/specialization.h"

#include "frontend/context_state.h"

#include <algorithm>

namespace heddle::detail {

SymbolValues::SymbolValues(std::span<const SymbolSource> sources, const Frame& frame) {
    if (sources.size() > few.size()) more.resize(sources.size());
    values = more.empty() ? std::span(few).first(sources.size()) : std::span(more);
    // Symbols count array arguments alone.
    u32 array = 0;
    std::size_t at = 0;
    for (std::size_t k = 0; k < frame.size() && at < sources.size(); ++k) {
        if (!frame[k].operand.is_array()) continue;
        for (; at < sources.size() && sources[at].input == array; ++at)
            values[at] = frame[k].operand.array().value()->shape.sizes[sources[at].axis];
        ++array;
    }
}

Specialization::Specialization(ContextState& context) : context(context.shared_from_this()) {
    context.counters.live_specializations.fetch_add(1, std::memory_order_relaxed);
}

Specialization::~Specialization() {
    context->counters.live_specializations.fetch_sub(1, std::memory_order_relaxed);
}

SignatureEntry* SignatureTable::find(u64 hash, std::span<const u64> key) const {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = hash & mask;; at = (at + 1) & mask) {
        SignatureEntry* entry = slots_[at].load(std::memory_order_acquire);
        if (entry == nullptr) return nullptr;
        if (entry->hash == hash && std::ranges::equal(entry->key, key)) return entry;
    }
}

bool SignatureTable::insert(SignatureEntry* entry) {
    if (2 * (used_ + 1) > slots_.size()) return false;
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = entry->hash & mask;
    while (slots_[at].load(std::memory_order_relaxed) != nullptr) at = (at + 1) & mask;
    slots_[at].store(entry, std::memory_order_release);
    ++used_;
    return true;
}

void SignatureTable::copy_to(SignatureTable& other) const {
    for (const std::atomic<SignatureEntry*>& slot : slots_)
        if (SignatureEntry* entry = slot.load(std::memory_order_relaxed); entry != nullptr)
            other.insert(entry);
}

} // namespace heddle::detail
