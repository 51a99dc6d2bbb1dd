#include "frontend/lazy.h"

#include "frontend/context_state.h"
#include "frontend/lazy_programs.h"
#include "ir/node_copier.h"
#include "support/per_thread.h"

#include <heddle/error.h>

#include <algorithm>

namespace heddle::detail {

namespace {

/// A graph is run as a whole when it has so many nodes or inputs.
constexpr std::size_t most_nodes = 8192;
constexpr std::size_t most_inputs = 1024;

} // namespace

/// A part of the graph on its way to be run: a function of its own.
struct LazyGraph::Extract {
    std::shared_ptr<Graph> graph; ///< the copy: its inputs and numbers are what it is called with
    runtime::DeviceRef device;
    std::vector<ValueRef> targets;
    std::vector<ir::NodeId> nodes;                       ///< to be copied, ascending
    std::vector<std::pair<ir::NodeId, ValueRef>> leaves; ///< evaluated before: inputs of this run
    std::vector<ProgramOutput> outputs;
};

const std::shared_ptr<LazyGraph>& LazyGraph::of_thread() {
    auto& mine = per_thread<std::shared_ptr<LazyGraph>>();
    const std::shared_ptr<ContextState>& context = current_state();
    if (mine == nullptr || mine->context() != context) mine = std::make_shared<LazyGraph>(context);
    return mine;
}

void LazyGraph::prepare() {
    if (graph_ == nullptr) graph_ = std::make_unique<Graph>("lazy");
}

Extents LazyGraph::extents(std::span<const ir::DimId> shape) {
    Extents result;
    result.rank = static_cast<u32>(shape.size());
    for (u32 k = 0; k < result.rank; ++k) result.sizes[k] = graph_->module.dims.as_constant(shape[k]).value();
    return result;
}

std::unique_ptr<Graph> LazyGraph::after_unlink() noexcept {
    if (pending_ != 0 || evaluating_ || graph_ == nullptr) return nullptr;
    // Evaluated values that are still held no longer stand for nodes.
    while (first_ != nullptr) unlink(*first_);
    ++generation_;
    device_.reset();
    return std::move(graph_);
}

ir::NodeId LazyGraph::number(Dtype dtype, u64 bits) {
    Graph& graph = *graph_;
    ir::AttributeList list;
    list.integer(ir::Key::number, static_cast<i64>(graph.numbers.size()));
    const ir::NodeId node = graph.function.add_parameter(
        graph.module.types.tensor(dtype, {}), graph.module.attributes.intern(list), graph.builder.location);
    graph.number_of.emplace(node.value, static_cast<u32>(graph.numbers.size()));
    graph.numbers.push_back(bits);
    return node;
}

bool LazyGraph::is_full() const {
    return graph_ != nullptr &&
           (graph_->function.size() > most_nodes || graph_->inputs.size() > most_inputs ||
            pending_ >= context_->options().pending);
}

void LazyGraph::find_targets(Extract& extract, std::span<Value* const> wanted) {
    const ir::Function& function = graph_->function;
    std::vector<Value*> held(function.size());
    for (Value* value = first_; value != nullptr; value = value->next)
        if (held[value->node.value] == nullptr || value->state == State::concrete)
            held[value->node.value] = value;
    std::vector<bool> seen(function.size());
    std::vector<ir::NodeId> work;
    auto visit = [&](ir::NodeId node) {
        if (seen[node.value]) return;
        seen[node.value] = true;
        Value* value = held[node.value];
        if (value != nullptr && value->state == State::concrete && try_retain(value)) {
            extract.leaves.emplace_back(node, ValueRef(value));
        } else {
            work.push_back(node);
            extract.nodes.push_back(node);
        }
    };
    for (Value* value : wanted) visit(value->node);
    while (!work.empty()) {
        const ir::NodeId node = work.back();
        work.pop_back();
        for (ir::NodeId operand : function.operands(node)) visit(operand);
    }
    // Everything on the way that somebody holds is kept, so that it is computed once.
    for (Value* value = first_; value != nullptr; value = value->next)
        if (value->state != State::concrete && seen[value->node.value] && try_retain(value))
            extract.targets.push_back(ValueRef(value));
    std::ranges::sort(extract.nodes);
    std::ranges::sort(extract.leaves, {}, [](const auto& leaf) { return leaf.first; });
    std::ranges::sort(extract.targets, {}, [](const ValueRef& value) { return value->node; });
}

void LazyGraph::copy_nodes(Extract& extract) {
    extract.graph = std::make_shared<Graph>("lazy");
    Graph& to = *extract.graph;
    ir::NodeCopier copier(graph_->function, to.function);
    auto add_input = [&](ir::NodeId node, ValueRef value) {
        copier.map(node, to.function.add_parameter(copier.type(graph_->function[node].type)));
        to.inputs.push_back(std::move(value));
    };
    for (const auto& [node, value] : extract.leaves) add_input(node, value);
    for (ir::NodeId node : extract.nodes) {
        if (graph_->function.op(node) != ir::Op::parameter) {
            copier.copy(node);
        } else if (const auto number = graph_->number_of.find(node.value);
                   number != graph_->number_of.end()) {
            ir::AttributeList list;
            list.integer(ir::Key::number, static_cast<i64>(to.numbers.size()));
            copier.map(node, to.function.add_parameter(copier.type(graph_->function[node].type),
                                                       to.module.attributes.intern(list)));
            to.numbers.push_back(graph_->numbers[number->second]);
        } else {
            add_input(node, graph_->inputs[graph_->input_of.at(node.value)]);
        }
    }
    std::vector<ir::NodeId> results;
    for (const ValueRef& target : extract.targets) {
        const ir::NodeId result = copier.mapped(target->node);
        if (results.empty() || results.back() != result) {
            results.push_back(result);
            extract.outputs.push_back({target->dtype, target->shape, nullptr, 0});
        }
    }
    to.function.set_results(std::move(results));
}

std::unique_ptr<LazyGraph::Extract> LazyGraph::extract(std::span<Value* const> wanted) {
    auto result = std::make_unique<Extract>();
    result->device = device_;
    find_targets(*result, wanted);
    copy_nodes(*result);
    return result;
}

void LazyGraph::publish(Extract& extract) {
    std::size_t at = 0;
    for (std::size_t k = 0; k < extract.targets.size(); ++k) {
        Value& value = *extract.targets[k].get();
        if (k > 0 && value.node != extract.targets[k - 1]->node) ++at;
        value.place(extract.outputs[at].buffer, extract.outputs[at].offset);
        if (value.linked) --pending_;
        value.state.store(State::concrete, std::memory_order_release);
    }
}

void LazyGraph::evaluate(std::span<Value* const> wanted) {
    std::unique_ptr<Extract> extract;
    std::unique_ptr<Graph> garbage;
    std::unique_lock lock(mutex_);
    evaluated_.wait(lock, [&] { return !evaluating_; });
    std::vector<Value*> pending;
    for (Value* value : wanted)
        if (value->state != State::concrete) pending.push_back(value);
    if (pending.empty()) return;
    extract = this->extract(pending);
    evaluating_ = true;
    lock.unlock();
    auto finish = [&] {
        evaluating_ = false;
        garbage = after_unlink();
        evaluated_.notify_all();
        lock.unlock();
    };
    try {
        context_->lazy_programs().run(*context_, extract->graph, extract->device, extract->outputs);
    } catch (...) {
        lock.lock();
        finish();
        throw;
    }
    lock.lock();
    publish(*extract);
    finish();
}

u64 LazyGraph::made() {
    std::lock_guard lock(mutex_);
    return made_;
}

void LazyGraph::flush(u64 since) {
    std::vector<ValueRef> held;
    {
        std::lock_guard lock(mutex_);
        for (Value* value = first_; value != nullptr; value = value->next)
            if (value->serial > since && value->state != State::concrete && try_retain(value))
                held.push_back(ValueRef(value));
    }
    std::vector<Value*> wanted;
    for (const ValueRef& value : held) wanted.push_back(value.get());
    if (!wanted.empty()) evaluate(wanted);
}

} // namespace heddle::detail
