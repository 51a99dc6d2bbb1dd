#pragma once
// A kernel that can be launched: its argument block with what is constant filled in, and what is to be filled in from a call.

#include "frontend/kernel_cache.h"

#include <memory>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace heddle::detail {

/// Size expressions of one module, each evaluated at most once a call; constants once and for all.
class SizeList {
public:
    explicit SizeList(const ir::Dims& dims) : dims_(&dims) {}

    /// A reference to a size: its position here.
    u32 add(ir::DimId id);
    /// `values` has room for size() numbers.
    void evaluate(std::span<const i64> symbols, std::span<i64> values) const;
    /// As evaluate() into `room`; where all are constants, those.
    std::span<const i64> values(std::span<const i64> symbols, std::span<i64> room) const {
        if (computed_.empty()) return constants_;
        evaluate(symbols, room);
        return room;
    }
    std::size_t size() const { return constants_.size(); }

private:
    const ir::Dims* dims_;
    std::vector<i64> constants_;
    std::vector<std::pair<u32, ir::DimId>> computed_; ///< position, expression
    std::unordered_map<u32, u32> known_;
};

/// One variant of one step, ready to launch.
struct PreparedVariant {
    struct Patch {
        KernelInterface::Fill by;
        u32 offset = 0;
        u32 source = 0; ///< position in `sizes`, or the number's
        Dtype to = Dtype::f32;
    };
    explicit PreparedVariant(std::shared_ptr<const ReadyKernel> kernel);
    /// Puts what a call brings into a copy of `arguments`: the values of `sizes`, and its numbers, as bits in their dtypes.
    void fill_in(std::span<std::byte> block, std::span<const i64> values, std::span<const u64> numbers,
                 std::span<const Dtype> dtypes) const;

    std::shared_ptr<const ReadyKernel> kernel;
    SizeList sizes;
    std::vector<std::byte> arguments;
    std::vector<u32> pointer_fields;
    std::vector<Patch> patches;
    std::vector<u32> grid; ///< positions in `sizes`
    u32 scratch = 0;       ///< likewise
};

/// A number of the call as a kernel's parameter.
void put_number(std::span<std::byte> block, u32 offset, u64 bits, Dtype from, Dtype to);

} // namespace heddle::detail
