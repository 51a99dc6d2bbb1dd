// ORC, trimmed to what object files of kernels need: one session, and for each file a dynamic library of its own, so that files may have
// names in common and go one by one. No compile layer, no threads, no symbols of the process but those listed below.

#include "codegen/llvm/plugin.h"

#include <heddle/error.h>

#include <fmt/format.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/ExecutionEngine/JITLink/JITLink.h>
#include <llvm/ExecutionEngine/Orc/Core.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#if LLVM_VERSION_MAJOR >= 22
#include <llvm/ExecutionEngine/Orc/AbsoluteSymbols.h>
#include <llvm/ExecutionEngine/Orc/SelfExecutorProcessControl.h>
#endif

#include <cmath>
#include <cstring>
#include <mutex>
#include <utility>

namespace heddle::codegen::cpu {
namespace {

namespace orc = ::llvm::orc;
namespace jitlink = ::llvm::jitlink;
using ::llvm::StringRef;

[[noreturn]] void damaged(std::string_view what) {
    throw DeviceError(fmt::format("object file of a kernel: {}", what));
}

struct OutsideFunction {
    const char* name;
    const void* address;
};

/// What LLVM may call for an instruction that the machine lacks.
std::span<const OutsideFunction> outside_functions() {
    using F = float (*)(float);
    using D = double (*)(double);
#define FUNCTION(name, type)                                                                                 \
    OutsideFunction { #name, reinterpret_cast<const void*>(static_cast<type>(::name)) }
    static const OutsideFunction rows[] = {
        FUNCTION(floorf, F),
        FUNCTION(floor, D),
        FUNCTION(ceilf, F),
        FUNCTION(ceil, D),
        FUNCTION(truncf, F),
        FUNCTION(trunc, D),
        FUNCTION(nearbyintf, F),
        FUNCTION(nearbyint, D),
        FUNCTION(fmaf, float (*)(float, float, float)),
        FUNCTION(fma, double (*)(double, double, double)),
        FUNCTION(memcpy, void* (*)(void*, const void*, std::size_t)),
        FUNCTION(memset, void* (*)(void*, int, std::size_t)),
        FUNCTION(memmove, void* (*)(void*, const void*, std::size_t)),
        // Rounding is to nearest even wherever Heddle runs.
        {"roundevenf", reinterpret_cast<const void*>(static_cast<F>(::nearbyintf))},
        {"roundeven", reinterpret_cast<const void*>(static_cast<D>(::nearbyint))},
    };
#undef FUNCTION
    return rows;
}

StringRef to_llvm(std::string_view text) { return {text.data(), text.size()}; }

#if LLVM_VERSION_MAJOR >= 22
StringRef name_of(const jitlink::Symbol& symbol) {
    return symbol.hasName() ? *symbol.getName() : StringRef();
}
auto parse(::llvm::MemoryBufferRef object, orc::ExecutionSession& session) {
    return jitlink::createLinkGraphFromObject(object, session.getSymbolStringPool());
}
#else
StringRef name_of(const jitlink::Symbol& symbol) { return symbol.hasName() ? symbol.getName() : StringRef(); }
auto parse(::llvm::MemoryBufferRef object, orc::ExecutionSession&) {
    return jitlink::createLinkGraphFromObject(object);
}
#endif

std::unique_ptr<orc::ExecutorProcessControl> this_process() {
    auto control =
        orc::SelfExecutorProcessControl::Create(nullptr, std::make_unique<orc::InPlaceTaskDispatcher>());
    if (!control) throw DeviceError("ORC: " + ::llvm::toString(control.takeError()));
    return std::move(*control);
}

/// The session, and the functions that every object may call. What was linked shares it.
class Session {
public:
    Session()
        : session_(this_process()), layer_(session_), functions_(session_.createBareJITDylib("functions")) {
        session_.setErrorReporter(
            [this](::llvm::Error error) { reported_ = ::llvm::toString(std::move(error)); });
        orc::SymbolMap symbols;
        for (const OutsideFunction& function : outside_functions())
            symbols[session_.intern(function.name)] = {orc::ExecutorAddr::fromPtr(function.address),
                                                       ::llvm::JITSymbolFlags::Exported |
                                                           ::llvm::JITSymbolFlags::Callable};
        check(functions_.define(orc::absoluteSymbols(std::move(symbols))));
    }
    ~Session() { ::llvm::consumeError(session_.endSession()); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    struct Linked {
        orc::JITDylib* library;
        const void* entry;
    };
    Linked link(std::span<const std::byte> object, std::string_view entry) {
        const StringRef bytes(reinterpret_cast<const char*>(object.data()), object.size());
        auto graph = parse({bytes, "kernel"}, session_);
        if (!graph) damaged(::llvm::toString(graph.takeError()));
        check_graph(**graph, entry);
        const std::lock_guard lock(linking_);
        orc::JITDylib& library = session_.createBareJITDylib(fmt::format("kernel {}", serial_++));
        try {
            library.addToLinkOrder(functions_);
            check(layer_.add(library.getDefaultResourceTracker(), std::move(*graph)));
            auto symbol = session_.lookup({&library}, session_.intern(to_llvm(entry)));
            check(symbol.takeError());
            return {&library, symbol->getAddress().toPtr<const void*>()};
        } catch (...) {
            drop(library);
            throw;
        }
    }
    void remove(orc::JITDylib& library) {
        const std::lock_guard lock(linking_);
        drop(library);
    }

private:
    void drop(orc::JITDylib& library) { ::llvm::consumeError(session_.removeJITDylib(library)); }

    /// The reason is what ORC reported on the way; a lookup's own error only names what is missing.
    void check(::llvm::Error error) {
        std::string reason = std::exchange(reported_, {});
        if (!error) return;
        const std::string text = ::llvm::toString(std::move(error));
        damaged(reason.empty() ? text : reason);
    }

    void check_graph(jitlink::LinkGraph& graph, std::string_view entry) const {
        if (graph.getTargetTriple().getArch() != session_.getTargetTriple().getArch())
            damaged(fmt::format("it is for {}", graph.getTargetTriple().str()));
        for (const jitlink::Symbol* symbol : graph.external_symbols())
            if (!is_provided(name_of(*symbol)))
                damaged(fmt::format("nothing provides {}", name_of(*symbol).str()));
        for (const jitlink::Symbol* symbol : graph.defined_symbols())
            if (symbol->getScope() != jitlink::Scope::Local && symbol->isCallable() &&
                name_of(*symbol) == to_llvm(entry))
                return;
        damaged(fmt::format("it has no entry point {}", entry));
    }
    static bool is_provided(StringRef name) {
        for (const OutsideFunction& function : outside_functions())
            if (name == function.name) return true;
        return false;
    }

    orc::ExecutionSession session_;
    orc::ObjectLinkingLayer layer_;
    orc::JITDylib& functions_;
    std::mutex linking_; ///< of what follows: one link at a time, so that what ORC reports is about that one
    u64 serial_ = 0;
    std::string reported_;
};

class OrcCode final : public LinkedCode {
public:
    OrcCode(std::shared_ptr<Session> session, std::span<const std::byte> object, std::string_view entry)
        : session_(std::move(session)) {
        linked_ = session_->link(object, entry);
    }
    ~OrcCode() override { session_->remove(*linked_.library); }
    const void* entry() const override { return linked_.entry; }

private:
    std::shared_ptr<Session> session_;
    Session::Linked linked_{};
};

class OrcLinker final : public Linker {
public:
    std::unique_ptr<LinkedCode> link(std::span<const std::byte> object, std::string_view entry) override {
        return std::make_unique<OrcCode>(session_, object, entry);
    }

private:
    std::shared_ptr<Session> session_ = std::make_shared<Session>();
};

} // namespace
} // namespace heddle::codegen::cpu

extern "C" [[gnu::visibility("default")]] heddle::codegen::cpu::Linker* heddle_make_llvm_linker();

heddle::codegen::cpu::Linker* heddle_make_llvm_linker() { return new heddle::codegen::cpu::OrcLinker; }
