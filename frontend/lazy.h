#pragma once
// Ops outside a trace. Each thread has one lazy graph for all its pending values, so that what is read together fuses; numbers are
// parameters, so that the same steps with other numbers are the same program. Reading a value runs what it depends on, and keeps
// every value on the way that somebody still holds. The graph goes when nothing in it is pending, and is run as a whole when it
// grows beyond a bound. A thread that uses a pending value of another thread runs it there and then.

#include "frontend/recorder.h"

#include <condition_variable>

namespace heddle::detail {

class LazyGraph final : public Recorder {
public:
    explicit LazyGraph(std::shared_ptr<ContextState> context) : Recorder(std::move(context)) {}

    /// This thread's, in its current context.
    static const std::shared_ptr<LazyGraph>& of_thread();

    bool is_trace() const override { return false; }
    Extents extents(std::span<const ir::DimId> shape) override;
    std::unique_ptr<Graph> after_unlink() noexcept override;

    /// With the mutex held, before an op is recorded: there is a graph.
    void prepare();
    /// A parameter that holds the number; `bits` in its dtype.
    ir::NodeId number(Dtype dtype, u64 bits);
    /// Where it runs: the device of its inputs. Null while it has none.
    runtime::Device* device() const { return device_.get(); }
    void set_device(runtime::DeviceRef device) { device_ = std::move(device); }
    bool is_full() const;
    bool is_empty() const { return pending_ == 0; }

    /// Runs what these wait for (those that belong here), and waits for nothing but other threads that do the same.
    void evaluate(std::span<Value* const> wanted);
    /// Runs everything pending that was recorded since `made()` gave this number.
    void flush(u64 since = 0);
    u64 made();

private:
    struct Extract;
    ir::AttributesId input_attributes(u32) override { return ir::AttributesId{0u}; }
    std::unique_ptr<Extract> extract(std::span<Value* const> wanted);
    void publish(Extract& extract);
    void find_targets(Extract& extract, std::span<Value* const> wanted);
    void copy_nodes(Extract& extract);

    std::condition_variable evaluated_;
    bool evaluating_ = false;
    runtime::DeviceRef device_;
};

} // namespace heddle::detail
