#pragma once
// The programs of lazy graphs: a graph is its own signature, so equal graphs share a program whatever their numbers. Bounded; the
// least recently used one goes.

#include "frontend/program.h"
#include "frontend/recorder.h"
#include "runtime/device.h"

#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace heddle::detail {

class LazyPrograms {
public:
    explicit LazyPrograms(std::size_t most) : most_(most) {}
    ~LazyPrograms();

    /// Runs a closed graph on its inputs and numbers; `device` null means the default one.
    void run(ContextState& context, const std::shared_ptr<Graph>& graph, runtime::DeviceRef device,
             std::vector<ProgramOutput>& outputs);
    void clear();

private:
    struct Entry;
    std::shared_ptr<Program> find(ContextState& context, const std::shared_ptr<Graph>& graph,
                                  const runtime::DeviceRef& device);
    std::shared_ptr<Entry> entry_for(std::vector<u64> key);

    std::size_t most_;
    std::mutex mutex_;
    std::unordered_multimap<u64, std::shared_ptr<Entry>> entries_;
    std::list<Entry*> recent_; ///< the least recently used one last
};

} // namespace heddle::detail
