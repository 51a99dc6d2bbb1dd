#include "frontend/lazy_programs.h"

#include "frontend/context_state.h"
#include "frontend/program.h"
#include "frontend/structure.h"
#include "support/hash.h"

#include <heddle/error.h>

namespace heddle::detail {

struct LazyPrograms::Entry {
    u64 hash = 0;
    std::vector<u64> key;
    std::mutex making; ///< held while the program is made; the others that want it wait for this one alone
    std::shared_ptr<Program> program;
    std::list<Entry*>::iterator place;
};

LazyPrograms::~LazyPrograms() = default;

std::shared_ptr<LazyPrograms::Entry> LazyPrograms::entry_for(std::vector<u64> key) {
    const u64 hash = hash_span<u64>(0, key);
    std::lock_guard lock(mutex_);
    auto [first, last] = entries_.equal_range(hash);
    for (; first != last; ++first) {
        if (first->second->key != key) continue;
        recent_.splice(recent_.begin(), recent_, first->second->place);
        return first->second;
    }
    if (entries_.size() >= most_) {
        Entry* oldest = recent_.back();
        auto [begin, end] = entries_.equal_range(oldest->hash);
        for (; begin != end; ++begin) {
            if (begin->second.get() != oldest) continue;
            recent_.pop_back();
            entries_.erase(begin);
            break;
        }
    }
    auto entry = std::make_shared<Entry>();
    entry->hash = hash;
    entry->key = std::move(key);
    // What may fail comes before anything that is found.
    std::list<Entry*> latest{entry.get()};
    entries_.emplace(hash, entry);
    entry->place = latest.begin();
    recent_.splice(recent_.begin(), latest);
    return entry;
}

std::shared_ptr<Program> LazyPrograms::find(ContextState& context, const std::shared_ptr<Graph>& graph,
                                            const runtime::DeviceRef& device) {
    std::vector<u64> key{reinterpret_cast<u64>(device.get())};
    append_structure(graph->function, key);
    const std::shared_ptr<Entry> entry = entry_for(std::move(key));
    std::lock_guard lock(entry->making);
    if (entry->program == nullptr)
        entry->program = make_program(context, device, graph, graph->function, {.name = "lazy"});
    return entry->program;
}

void LazyPrograms::run(ContextState& context, const std::shared_ptr<Graph>& graph, runtime::DeviceRef device,
                       std::vector<ProgramOutput>& outputs) {
    context.check_open("eval");
    if (device == nullptr) device = context.device();
    // The graph may live on in the program; what it is called with must not.
    const std::vector<ValueRef> values = std::move(graph->inputs);
    const std::vector<u64> numbers = std::move(graph->numbers);
    graph->inputs.clear();
    graph->known_inputs.clear();
    const std::shared_ptr<Program> program = find(context, graph, device);
    std::vector<ProgramInput> inputs;
    for (const ValueRef& value : values) inputs.push_back({&value->buffer, value->offset, false});
    program->prepare({});
    program->run(inputs, numbers, {}, outputs);
}

void LazyPrograms::clear() {
    std::unordered_multimap<u64, std::shared_ptr<Entry>> gone;
    std::lock_guard lock(mutex_);
    std::swap(gone, entries_);
    recent_.clear();
}

} // namespace heddle::detail
