#pragma once
// A compiled function behind its typed wrapper: finding the specialization of a call, tracing when there is none, running it.
//
// A thread that traces never waits for another function: calls in a trace are inlined. So first calls wait only for threads that make
// progress by themselves, and no cycle of waiting threads can form; a function that traces itself without end is found by
// the depth of inlined calls.

#include "frontend/specialization.h"

#include <heddle/compile.h>

#include <condition_variable>
#include <mutex>
#include <unordered_map>

namespace heddle::detail {

struct LastHit;

class FunctionState {
public:
    FunctionState(std::string name, const CompileOptions& options);
    ~FunctionState();

    const std::string& name() const { return name_; }
    void call(const Frame& frame, TraceeRef tracee, Results& results);
    void dump(const Frame& frame, TraceeRef tracee, Stage stage, std::ostream& out);
    FunctionCounters counters() const;

private:
    struct Pending {
        std::vector<u64> key;
        bool done = false;
        std::exception_ptr failure;
    };

    void inline_call(const Frame& frame, TraceeRef tracee, Results& results);
    /// Where a call runs. Mostly something else keeps the device for the call: its arguments, or the function.
    struct Place {
        runtime::Device* device = nullptr;
        runtime::DeviceRef owner{};
    };
    Place device_for(const Frame& frame);
    runtime::Device& own_device(const Frame& frame);
    void make_key(const Frame& frame, const runtime::Device& device, std::vector<u64>& key) const;
    bool repeats(const LastHit& last, const Frame& frame) const;
    Specialization* find(std::span<const u64> key, const Frame& frame, runtime::Device& device);
    /// A specialization for the call: one of the table's, or the call's own where the table is full.
    struct Found {
        Specialization* specialization = nullptr;
        std::unique_ptr<Specialization> own;
    };
    Found find_or_make(std::vector<u64>& key, const Frame& frame, runtime::Device& device, TraceeRef tracee);
    std::shared_ptr<const SharedProgram> program_for(std::shared_ptr<Graph> graph,
                                                     const runtime::DeviceRef& device);
    std::shared_ptr<const SharedProgram> known_program(u64 hash, const std::vector<u64>& key) const;
    std::unique_ptr<Specialization> make(const Frame& frame, const runtime::DeviceRef& device,
                                         TraceeRef tracee);
    std::shared_ptr<Graph> trace(const Frame& frame, const runtime::DeviceRef& device, TraceeRef tracee,
                                 Specialization& made);
    void run(const Specialization& specialization, const Frame& frame, Results& results);

    u64 number_; ///< never used again for another function
    std::string name_;
    CompileOptions options_;
    std::shared_ptr<ContextState> context_;
    Specializations specializations_; ///< published to under the mutex, read without it
    std::atomic<u64> traces_{0};

    std::atomic<runtime::Device*> own_device_{nullptr}; ///< `opened_`, once it is known
    mutable std::mutex mutex_;  ///< of what follows; never held while tracing or compiling
    runtime::DeviceRef opened_; ///< that the options name
    std::condition_variable compiled_;
    std::vector<std::shared_ptr<Pending>> pending_;
    std::unordered_multimap<u64, std::shared_ptr<const SharedProgram>> programs_;
};

} // namespace heddle::detail
