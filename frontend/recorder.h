#pragma once
// Where ops are written down: a trace, or a thread's lazy graph. Both are an ir function that grows, and a list of the values that
// stand for its nodes. The graph goes when it is no longer needed; the recorder stays as long as one of its values.

#include "frontend/value.h"
#include "ir/builder.h"

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace heddle::detail {

class ContextState;

/// The growing function and what its parameters stand for.
struct Graph {
    explicit Graph(const std::string& name) : function(module.add_function(name)), builder(function) {}
    ir::Module module;
    ir::Function& function;
    ir::Builder builder;
    std::vector<ValueRef> inputs; ///< concrete values that became parameters
    std::vector<u64> numbers;     ///< bits of number parameters, in their dtype
    std::unordered_map<const Value*, ir::NodeId> known_inputs;
    std::unordered_map<u32, u32> number_of; ///< node of a number parameter -> its position
    std::unordered_map<u32, u32> input_of;  ///< node of a captured parameter -> its position
};

class Recorder : public std::enable_shared_from_this<Recorder> {
public:
    explicit Recorder(std::shared_ptr<ContextState> context) : context_(std::move(context)) {}
    virtual ~Recorder() = default;

    /// Held while an op is recorded, and for whatever touches the list of values.
    std::mutex& mutex() { return mutex_; }
    Graph& graph() { return *graph_; }
    const std::shared_ptr<ContextState>& context() const { return context_; }
    virtual bool is_trace() const = 0;

    // ---- with the mutex held
    /// The node of a concrete value: a parameter, made on first use.
    ir::NodeId input(Value& value);
    /// A new value for a node. `weak` as in Value.
    Value* make_value(ir::NodeId node, State state, bool weak);
    void unlink(Value& value) noexcept;
    /// Sizes in numbers.
    virtual Extents extents(std::span<const ir::DimId> shape) = 0;
    /// What is left to destroy when a value has gone; destroy it without the mutex.
    virtual std::unique_ptr<Graph> after_unlink() noexcept { return nullptr; }

protected:
    virtual ir::AttributesId input_attributes(u32 position) = 0;

    std::shared_ptr<ContextState> context_;
    std::mutex mutex_;
    std::unique_ptr<Graph> graph_;
    u32 generation_ = 0;
    Value* first_ = nullptr;
    u32 pending_ = 0; ///< linked values that are not concrete
    u64 made_ = 0;    ///< values so far
};

} // namespace heddle::detail
