#pragma once
// A legalisation pass: what a kernel goes through between lowering and an emitter. Pipelines are tables of these.

#include "ir/function.h"
#include "ir/target.h"

#include <array>
#include <span>
#include <string_view>

namespace heddle::passes {

/// The kernels that a pass is for: all, those without `fast_math`, those with it.
enum class Math : u8 { any, exact, fast };

/// Some of the ops.
class OpSet {
public:
    template <class... Ops> static constexpr OpSet of(Ops... ops) {
        OpSet set;
        (set.add(ops), ...);
        return set;
    }
    constexpr void add(ir::Op op) {
        words_[static_cast<u32>(op) / 64] |= u64{1} << static_cast<u32>(op) % 64;
    }
    constexpr bool empty() const { return words_ == std::array<u64, size>{}; }
    constexpr bool meets(const OpSet& other) const {
        for (u32 k = 0; k < size; ++k)
            if ((words_[k] & other.words_[k]) != 0) return true;
        return false;
    }

private:
    static constexpr u32 size = 4;
    std::array<u64, size> words_{};
};

struct LegalisePass {
    std::string_view name;
    std::string_view doc; ///< one line
    ir::Function& (*run)(ir::Function&, const ir::Target&);
    /// In a kernel that has none of these it replaces nothing, and is not run; empty: that cannot be said so. What a pass has made idle the
    /// next one that runs leaves out.
    OpSet ops{};
    Math math = Math::any;
    /// The targets that a pipeline runs it for, where not all: those of a driver that it works around.
    bool (*wanted)(const ir::Target&) = nullptr;
};

/// Runs the passes that are for this kernel, in order. Gives the kernel that stands in the place of `kernel`, which is gone.
ir::Function& run_passes(ir::Function& kernel, const ir::Target& target,
                         std::span<const LegalisePass> passes);

} // namespace heddle::passes
