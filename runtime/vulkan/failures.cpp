#include "runtime/vulkan/failures.h"

#include <algorithm>
#include <fmt/format.h>

namespace heddle::runtime::vulkan {

std::string Failure::text() const {
    std::string kernels = "a copy";
    if (kernel != nullptr) {
        kernels = fmt::format("kernel {}", *kernel);
        if (work > 1) kernels += fmt::format(" and {} launches before it", work - 1);
    }
    return fmt::format("Vulkan: submitting {} failed: {}", kernels,
                       result == VK_ERROR_DEVICE_LOST ? device_lost : name_of(result));
}

void Failures::make_room(std::size_t more) {
    failures_.reserve(std::max(failures_.size() + more, 2 * failures_.capacity()));
}

void Failures::note(const Batch& batch, VkResult result) noexcept {
    Failure failure{batch.value, nullptr, batch.work, result};
    if (batch.last != nullptr) failure.kernel = batch.last->shared_name();
    failures_.insert(place_of(batch.value), std::move(failure));
    any_.store(true);
}

std::optional<Failure> Failures::find(u64 value) const noexcept {
    const auto place = place_of(value);
    if (place == failures_.end() || place->value != value) return std::nullopt;
    return *place;
}

std::vector<Failure>::const_iterator Failures::place_of(u64 value) const noexcept {
    return std::ranges::lower_bound(failures_, value, {}, &Failure::value);
}

} // namespace heddle::runtime::vulkan
