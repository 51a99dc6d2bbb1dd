#include "frontend/specialization.h"

#include "frontend/context_state.h"
#include "support/hash.h"
#include "support/per_thread.h"

#include <heddle/error.h>

#include <algorithm>
#include <limits>

namespace heddle::detail {

namespace {

i64 constant_term(const ir::Dims& dims, ir::DimId id) {
    for (const ir::Term& term : dims.terms(id))
        if (term.atoms.empty()) return term.coefficient;
    return 0;
}

/// Where a thread reads pins to.
struct PinRoom {
    std::vector<u64> values;
};

/// The set, and what its expressions come to in this call. False if one cannot be computed: the call is none of the set's.
bool read_pins(const PinnedSet& set, const Frame& frame, std::vector<u64>& key) {
    const SymbolValues symbols(set.symbols, frame);
    key.assign(1, reinterpret_cast<u64>(&set));
    try {
        for (ir::DimId expression : set.owner->pins.expressions)
            key.push_back(static_cast<u64>(set.owner->dims.evaluate(expression, symbols.values)));
    } catch (const ShapeError&) {
        return false;
    }
    return true;
}

} // namespace

Pins pins_of(ir::Dims& dims, std::span<const ir::Fact> facts) {
    Pins pins;
    auto pin = [&](ir::DimId expression, i64 value) {
        if (std::ranges::find(pins.expressions, expression) != pins.expressions.end()) return;
        pins.expressions.push_back(expression);
        pins.values.push_back(value);
    };
    if (facts.empty()) return pins;
    std::vector<ir::DimId> known(dims.symbol_count());
    for (u32 k = 0; k < known.size(); ++k) {
        const ir::DimId symbol = dims.symbol(std::string(dims.symbol_name(k)));
        const auto low = dims.lower_bound(symbol, {.facts = facts});
        if (!low || dims.upper_bound(symbol, {.facts = facts}) != low) continue;
        known[k] = dims.constant(*low);
        pin(symbol, *low);
    }
    for (const ir::Fact& fact : facts) {
        if (fact.relation != ir::Relation::equal) continue;
        try {
            const ir::DimId zero = dims.sub(fact.left, fact.right);
            if (dims.as_constant(dims.substitute(zero, {}, known))) continue;
            const i64 rest = constant_term(dims, zero);
            if (rest == std::numeric_limits<i64>::min()) continue;
            pin(dims.sub(zero, dims.constant(rest)), -rest);
        } catch (const ShapeError&) {
            continue; // beyond 64 bits: the guard alone decides
        }
    }
    return pins;
}

SymbolValues::SymbolValues(std::span<const SymbolSource> sources, const Frame& frame)
    : values(sources.size()) {
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

bool guarded_facts_hold(const Specialization& specialization, const Frame& frame) {
    const std::vector<ir::Fact>& facts = specialization.shared->facts;
    const SymbolValues symbols(specialization.symbols, frame);
    const ir::Dims& dims = specialization.shared->dims;
    return std::ranges::all_of(facts, [&](const ir::Fact& fact) { return dims.holds(fact, symbols.values); });
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

Specialization* Specializations::find(std::span<const u64> key, const Frame& frame) const {
    const SignatureTable* table = table_.load(std::memory_order_acquire);
    if (table == nullptr) return nullptr;
    const SignatureEntry* signature = table->find(hash_span<u64>(0, key), key);
    if (signature == nullptr) return nullptr;
    std::vector<u64>& pins = per_thread<PinRoom>().values;
    for (const PinnedSet* set = signature->pinned.load(std::memory_order_acquire); set != nullptr;
         set = set->next) {
        if (!read_pins(*set, frame, pins)) continue;
        const SignatureEntry* entry = table->find(hash_span<u64>(0, pins), pins);
        if (entry == nullptr) continue;
        if (Specialization* known = first_that_holds(*entry, frame)) return known;
    }
    return first_that_holds(*signature, frame);
}

Specialization* Specializations::first_that_holds(const SignatureEntry& entry, const Frame& frame) const {
    for (Specialization* known = entry.first.load(std::memory_order_acquire); known != nullptr;
         known = known->next) {
        if (guards_hold(*known, frame)) return known;
        guard_misses_.fetch_add(1, std::memory_order_relaxed);
    }
    return nullptr;
}

void Specializations::publish(std::span<const u64> key, std::unique_ptr<Specialization> made) {
    // What may fail comes before anything that finders see.
    if (owned_.size() == owned_.capacity()) owned_.reserve(std::max<std::size_t>(8, 2 * owned_.size()));
    SignatureEntry* entry = &entry_of(key);
    if (const Pins& pins = made->shared->pins; !pins.values.empty()) {
        std::vector<u64> values{reinterpret_cast<u64>(&pinned_set_of(*entry, *made))};
        for (i64 value : pins.values) values.push_back(static_cast<u64>(value));
        entry = &entry_of(values);
    }
    made->next = entry->first.load(std::memory_order_relaxed);
    entry->first.store(made.get(), std::memory_order_release);
    owned_.push_back(std::move(made));
}

SignatureEntry& Specializations::entry_of(std::span<const u64> key) {
    const u64 hash = hash_span<u64>(0, key);
    if (!tables_.empty())
        if (SignatureEntry* known = tables_.back()->find(hash, key)) return *known;
    SignatureEntry& entry = entries_.emplace_back();
    entry.hash = hash;
    entry.key.assign(key.begin(), key.end());
    insert(entry);
    return entry;
}

void Specializations::insert(SignatureEntry& entry) {
    if (!tables_.empty() && tables_.back()->insert(&entry)) return;
    auto larger = std::make_unique<SignatureTable>(tables_.empty() ? 8 : 2 * tables_.back()->capacity());
    if (!tables_.empty()) tables_.back()->copy_to(*larger);
    larger->insert(&entry);
    tables_.push_back(std::move(larger));
    table_.store(tables_.back().get(), std::memory_order_release);
}

const PinnedSet& Specializations::pinned_set_of(SignatureEntry& signature, const Specialization& made) {
    std::string text;
    for (ir::DimId expression : made.shared->pins.expressions)
        text += made.shared->dims.text(expression) + ';';
    const PinnedSet* const first = signature.pinned.load(std::memory_order_relaxed);
    for (const PinnedSet* set = first; set != nullptr; set = set->next)
        if (set->text == text && set->symbols == made.symbols) return *set;
    const PinnedSet& added = pinned_sets_.emplace_back(made.shared, made.symbols, std::move(text), first);
    signature.pinned.store(&added, std::memory_order_release);
    return added;
}

} // namespace heddle::detail
