#include "frontend/recorder.h"

namespace heddle::detail {

ir::NodeId Recorder::input(Value& value) {
    Graph& graph = *graph_;
    if (const auto known = graph.known_inputs.find(&value); known != graph.known_inputs.end())
        return known->second;
    std::vector<ir::DimId> shape;
    for (i64 size : value.shape.span()) shape.push_back(graph.module.dims.constant(size));
    const u32 position = static_cast<u32>(graph.inputs.size());
    // A parameter never lacks its input: room for that comes first.
    if (graph.inputs.size() == graph.inputs.capacity()) graph.inputs.reserve(2 * graph.inputs.size() + 1);
    const ir::NodeId node = graph.function.add_parameter(graph.module.types.tensor(value.dtype, shape),
                                                         input_attributes(position), graph.builder.location);
    graph.inputs.push_back(ValueRef::share(&value));
    graph.input_of.emplace(node.value, position);
    graph.known_inputs.emplace(&value, node); // last: what is known is whole
    return node;
}

Value* Recorder::make_value(ir::NodeId node, State state, bool weak) {
    const ir::Type& type = graph_->function.type(node);
    const Extents shape = extents(type.shape);
    Value* value = new_value();
    value->state.store(state, std::memory_order_relaxed);
    value->dtype = type.dtype;
    value->weak = weak;
    value->shape = shape;
    value->home = shared_from_this();
    value->node = node;
    value->generation = generation_;
    value->serial = ++made_;
    value->linked = true;
    value->next = first_;
    if (first_ != nullptr) first_->previous = value;
    first_ = value;
    ++pending_;
    return value;
}

void Recorder::unlink(Value& value) noexcept {
    if (!value.linked) return;
    if (value.previous != nullptr)
        value.previous->next = value.next;
    else
        first_ = value.next;
    if (value.next != nullptr) value.next->previous = value.previous;
    value.previous = value.next = nullptr;
    value.linked = false;
    if (value.state.load(std::memory_order_relaxed) != State::concrete) --pending_;
}

} // namespace heddle::detail
