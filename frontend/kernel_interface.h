#pragma once
// What a launch has to know of a kernel: the fields of its argument block and what fills them, its grid, its scratch memory, all of it over
// the sizes of a call. It is taken from the legalised kernel, of which nothing else is needed once there is code, and lies on disk beside the code, so
// that a kernel that is found there need not be legalised.

#include "ir/function.h"
#include "ir/target.h"

#include <heddle/dtype.h>

#include <optional>
#include <span>
#include <vector>

namespace heddle::detail {

struct KernelInterface {
    enum class Fill : u8 { pointer, number, size32, size64, magic };
    struct Field {
        Fill by = Fill::pointer;
        Dtype dtype = Dtype::f32; ///< of the pointer's elements, or the number's
        u32 offset = 0;           ///< bytes
        u32 number = 0;           ///< which of the call's
        ir::DimId size;
    };

    ir::Dims dims;             ///< symbols are numbered as the traced function's
    std::vector<Field> fields; ///< by parameter, pointers first
    u32 bytes = 0;             ///< of all fields
    std::vector<ir::DimId> grid;
    i64 grain = 1;
    ir::DimId scratch; ///< bytes of scratch memory that a thread needs (CPU)
};

/// `kernel` is legalised, or the user's SPIR-V.
KernelInterface interface_of(const ir::Function& kernel, const ir::Target& target);

std::vector<u64> words_of(const KernelInterface& interface);
/// Nothing if `words` are none that words_of made.
std::optional<KernelInterface> interface_from(std::span<const u64> words);

} // namespace heddle::detail
