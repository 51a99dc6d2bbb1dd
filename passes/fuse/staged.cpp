#include "passes/fuse/staged.h"

#include <algorithm>

namespace heddle::passes {

using namespace ir;

Dtype staged_as(Dtype dtype) {
    if (dtype == Dtype::boolean) return Dtype::u32;
    return size_of(dtype) < 4 && !is_float(dtype) ? Dtype::i32 : dtype;
}

std::vector<bool> axes_in_block(const Function& function, const StagedValue& staged) {
    std::vector<bool> result;
    u32 axis = 0;
    for (DimId extent : function.shape(staged.value)) {
        const bool unit = function.module().dims.is_constant(extent, 1);
        result.push_back(!unit && std::ranges::find(staged.parallel, axis) == staged.parallel.end());
        axis += !unit;
    }
    return result;
}

SharedPlan shared_plan(const Function& function, std::span<const StagedValue> staged) {
    SharedPlan plan;
    for (const StagedValue& value : staged) {
        const Dtype dtype = staged_as(function.dtype(value.value));
        const std::vector<bool> in_block = axes_in_block(function, value);
        i64 count = 1;
        for (u32 k = 0; k < in_block.size(); ++k)
            if (in_block[k])
                count *= function.module().dims.as_constant(function.shape(value.value)[k]).value_or(1);
        const auto free = std::ranges::find_if(plan.arrays, [&](const SharedArray& array) {
            return array.dtype == dtype && array.last_read < value.made;
        });
        plan.array_of.push_back(static_cast<u32>(free - plan.arrays.begin()));
        if (free == plan.arrays.end())
            plan.arrays.push_back({dtype, count, value.last_read});
        else
            *free = {dtype, std::max(free->count, count), value.last_read};
    }
    for (const SharedArray& array : plan.arrays)
        plan.bytes += static_cast<u64>(array.count) * std::max<u64>(4, size_of(array.dtype));
    return plan;
}

} // namespace heddle::passes
