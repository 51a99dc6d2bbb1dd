#pragma once
// What a compiled function knows: for each signature the specializations that its guards tell apart. The table is read without a
// lock: slots are only ever filled, and a table that became too small is kept until the function goes.

#include "frontend/program.h"
#include "frontend/trace.h"

#include <heddle/compile.h>

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <vector>

namespace heddle::detail {

/// Values of a trace's symbols in one call.
struct SymbolValues {
    SymbolValues(std::span<const SymbolSource> sources, const Frame& frame);
    std::array<i64, 32> few;
    std::vector<i64> more;
    std::span<i64> values;
};

/// What specializations whose traces came out equal have in common: most new shapes need no more than their trace.
struct SharedProgram {
    std::vector<u64> key; ///< device and structure of the trace
    std::shared_ptr<Graph> graph;
    std::vector<ir::Fact> facts;
    std::shared_ptr<Program> program;
};

/// One trace, compiled.
struct Specialization {
    explicit Specialization(ContextState& context);
    ~Specialization();

    std::shared_ptr<ContextState> context;
    runtime::DeviceRef device;
    std::shared_ptr<const SharedProgram> shared; ///< its facts are the guards
    std::vector<SymbolSource> symbols;
    std::vector<ValueRef> captured; ///< inputs after the call's own
    u32 outputs = 0;
    bool is_single = false;
    std::shared_ptr<const void> prototype;
    Specialization* next = nullptr; ///< same signature, other guards
};

/// All specializations of one signature.
struct SignatureEntry {
    u64 hash = 0;
    std::vector<u64> key;
    std::atomic<Specialization*> first{nullptr};
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

} // namespace heddle::detail
