#pragma once
// What a compiled function knows: for each signature the specializations that its guards tell apart. Where guards say what a size
// is, the specialization is found by that value, so a call costs the same however many sizes are known; only guards that
// leave a range are tried one after the other. All is read without a lock: slots are only ever filled, lists only ever grow at the
// front, and a table that became too small is kept until the function goes.

#include "frontend/program.h"
#include "frontend/trace.h"
#include "support/small_array.h"

#include <heddle/compile.h>

#include <atomic>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace heddle::detail {

/// Values of a trace's symbols in one call.
struct SymbolValues {
    SymbolValues(std::span<const SymbolSource> sources, const Frame& frame);
    SmallArray<i64, 32> values;
};

/// Expressions over the sizes that a trace's facts leave one value, and those values.
struct Pins {
    std::vector<ir::DimId> expressions;
    std::vector<i64> values;
};
/// A symbol that has one value, by equalities or by bounds that meet, is pinned itself; what an equality says beyond that is kept as
/// an expression, so that `?n * ?m = 12` counts too.
Pins pins_of(ir::Dims& dims, std::span<const ir::Fact> facts);

/// What specializations whose traces came out equal have in common: most new shapes need no more than their trace.
struct SharedProgram {
    std::vector<u64> key; ///< device and structure of the trace
    std::shared_ptr<Graph> graph;
    ir::Dims dims; ///< of the facts and pins; kernels are lowered in the graph's own
    std::vector<ir::Fact> facts;
    Pins pins; ///< of the facts
    std::shared_ptr<Program> program;
};

/// One trace, compiled.
struct Specialization {
    explicit Specialization(ContextState& context);
    ~Specialization();

    // What each call looks at lies together.
    Program* program = nullptr; ///< that of `shared`
    std::vector<SymbolSource> symbols;
    std::shared_ptr<const std::vector<ValueRef>> captured; ///< inputs after the call's own
    u32 outputs = 0;
    bool is_single = false;
    bool is_guarded = false;
    std::shared_ptr<const SharedProgram> shared; ///< its facts are the guards
    std::shared_ptr<ContextState> context;
    runtime::DeviceRef device;
    std::shared_ptr<const void> prototype;
    Specialization* next = nullptr; ///< same entry, other guards
};

/// True if the call's sizes are such as the specialization was traced for.
bool guarded_facts_hold(const Specialization& specialization, const Frame& frame);
inline bool guards_hold(const Specialization& specialization, const Frame& frame) {
    return !specialization.is_guarded || guarded_facts_hold(specialization, frame);
}

/// The expressions that some specializations of one signature pin, read from the sizes of a call by the table of one of them.
struct PinnedSet {
    std::shared_ptr<const SharedProgram> owner;
    std::vector<SymbolSource> symbols;
    std::string text; ///< equal for equal sets
    const PinnedSet* next = nullptr;
};

/// The specializations of one signature that pin nothing, and the sets that the others pin; or the specializations of one signature
/// whose pinned set has the same values: its key is then the set and these.
struct SignatureEntry {
    u64 hash = 0;
    std::vector<u64> key;
    std::atomic<Specialization*> first{nullptr};
    std::atomic<const PinnedSet*> pinned{nullptr};
};

/// Open addressing over pointers; never shrinks.
class SignatureTable {
public:
    explicit SignatureTable(std::size_t capacity) : slots_(capacity) {}
    SignatureEntry* find(u64 hash, std::span<const u64> key) const;
    /// False when it is too full.
    bool insert(SignatureEntry* entry);
    std::size_t capacity() const { return slots_.size(); }
    void copy_to(SignatureTable& other) const;

private:
    std::vector<std::atomic<SignatureEntry*>> slots_;
    std::size_t used_ = 0;
};

/// All specializations of a function. Any number of threads may find while one publishes.
class Specializations {
public:
    Specialization* find(std::span<const u64> key, const Frame& frame) const;
    /// One caller at a time. Changes nothing that can be found when memory runs out.
    void publish(std::span<const u64> key, std::unique_ptr<Specialization> made);
    /// What has been published; not while another thread publishes.
    std::size_t size() const { return owned_.size(); }
    /// How often a specialization was tried in vain.
    u64 guard_misses() const { return guard_misses_.load(std::memory_order_relaxed); }

private:
    Specialization* first_that_holds(const SignatureEntry& entry, const Frame& frame) const;
    SignatureEntry& entry_of(std::span<const u64> key);
    const PinnedSet& pinned_set_of(SignatureEntry& signature, const Specialization& made);
    void insert(SignatureEntry& entry);

    std::atomic<const SignatureTable*> table_{nullptr};
    mutable std::atomic<u64> guard_misses_{0};
    std::vector<std::unique_ptr<SignatureTable>> tables_;
    std::deque<SignatureEntry> entries_;
    std::deque<PinnedSet> pinned_sets_;
    std::vector<std::unique_ptr<Specialization>> owned_;
};

} // namespace heddle::detail
