#include "frontend/launch_room.h"

#include "support/per_thread.h"

namespace heddle::detail {

LaunchRoom& LaunchRoom::of_thread() { return per_thread<LaunchRoom>(); }

runtime::Launch LaunchRoom::take() { return count_ == 0 ? runtime::Launch() : std::move(spare_[--count_]); }

void LaunchRoom::give(std::vector<runtime::Launch>&& launches) noexcept {
    for (std::size_t k = 0; k < launches.size() && count_ < most; ++k) {
        runtime::Launch &used = launches[k], empty;
        used.release();
        used.offsets.clear();
        used.extents.clear();
        used.pointer_fields.clear();
        used.arguments.clear();
        empty.buffers.swap(used.buffers);
        empty.offsets.swap(used.offsets);
        empty.extents.swap(used.extents);
        empty.pointer_fields.swap(used.pointer_fields);
        empty.arguments.swap(used.arguments);
        spare_[count_++] = std::move(empty);
    }
    launches.clear();
    if (launches.capacity() <= most) list_ = std::move(launches);
}

} // namespace heddle::detail
