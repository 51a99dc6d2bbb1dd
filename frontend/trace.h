#pragma once
// The trace that this thread is in, if any: a stack entry, so that other threads are not affected. It owns the ir module; sizes of
// a shapeless trace are symbols, and it knows what they are in the call that is traced, so that comparing them has an
// outcome, which it records as a fact of the function.

#include "frontend/recorder.h"

#include <heddle/compile.h>

namespace heddle::detail {

struct TraceOptions {
    std::string name;
    bool shapeless = false;
    bool strict = false;
    runtime::DeviceRef device;
    std::source_location called; ///< by whom
};

/// Which input's axis a symbol is the size of.
struct SymbolSource {
    u32 input = 0; ///< among the array inputs
    u32 axis = 0;
    bool operator==(const SymbolSource&) const = default;
};

class Trace final : public Recorder {
public:
    Trace(std::shared_ptr<ContextState> context, const TraceOptions& options);

    /// Innermost trace of this thread; null if it is not tracing.
    static Trace* current() { return innermost_; }
    /// This thread is in that trace while the scope lives.
    class Entry {
    public:
        explicit Entry(Trace& trace);
        ~Entry();
        Entry(const Entry&) = delete;
        Entry& operator=(const Entry&) = delete;

    private:
        Trace* outer_;
    };

    bool is_trace() const override { return true; }
    const std::string& name() const { return options_.name; }
    const TraceOptions& options() const { return options_; }
    bool is_open() const { return graph_ != nullptr; }
    Extents extents(std::span<const ir::DimId> shape) override;

    // ---- arguments, in order
    Array add_array(Dtype dtype, const Extents& shape);
    Array add_number(Dtype dtype);
    /// A number that an inlined function was called with.
    Array constant(Dtype dtype, u64 bits);
    const std::vector<SymbolSource>& symbols() const { return symbols_; }

    // ---- sizes
    ir::DimId id_of(const Dim& dim);
    Dim dim(ir::DimId id, Array::Where where = {});
    i64 value_of(ir::DimId id);
    /// True if the two sizes are one in this call; a fact says so then, unless it follows already.
    bool equal(ir::DimId a, ir::DimId b, Array::Where where);
    /// What an op needs of sizes, and is true in this call.
    void need(const ir::Fact& fact, Array::Where where);
    /// Outcome of a comparison that the user's code makes; a fact from now on.
    bool compare(const Dim& a, ir::Relation relation, const Dim& b);
    i64 concretise(const Dim& dim, Array::Where where);

    // ---- the end
    /// Takes the results' nodes; reports tracers that are still held anywhere else, and pinned ones (TraceError).
    std::unique_ptr<Graph> close(std::vector<Array>& results);
    /// After an exception: everything goes, whatever else is wrong.
    void abandon() noexcept;

    /// `main.cpp:12`, where a node was made; empty if that is not known.
    std::string place_of(ir::NodeId node) const;

private:
    static constinit thread_local Trace* innermost_;

    ir::AttributesId input_attributes(u32 position) override;
    void record(ir::Fact fact, bool by_user, Array::Where where);
    void expire(Value& value, const std::string& problem);
    ir::NodeId result_node(const Array& result);
    friend class heddle::Dim;

    TraceOptions options_;
    std::vector<SymbolSource> symbols_;
    std::vector<i64> hints_;
    u32 array_inputs_ = 0;
    u32 number_inputs_ = 0;
};

} // namespace heddle::detail
