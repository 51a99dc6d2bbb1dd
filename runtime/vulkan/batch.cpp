#include "runtime/vulkan/batch.h"

#include <algorithm>
#include <cstring>

namespace heddle::runtime::vulkan {

std::size_t OwnedSet::slot_of(const void* object, std::size_t mask) {
    u64 mixed = reinterpret_cast<u64>(object) * 0x9E3779B97F4A7C15ull;
    return static_cast<std::size_t>(mixed >> 20) & mask;
}

/// At most half full with so many objects more.
void OwnedSet::grow_table(std::size_t count) {
    std::size_t slots = std::max<std::size_t>(64, table_.size());
    while (2 * (used_ + count) > slots) slots *= 2;
    if (slots == table_.size()) return;
    std::vector<const void*> old(slots, nullptr);
    old.swap(table_);
    used_ = 0;
    for (const void* known : old)
        if (known != nullptr) insert(known);
}

void OwnedSet::reserve(std::size_t count) {
    if (owned_.capacity() - owned_.size() < count)
        owned_.reserve(std::max(2 * owned_.capacity(), owned_.size() + count));
    grow_table(count);
}

bool OwnedSet::insert(const void* object) {
    grow_table(1);
    std::size_t mask = table_.size() - 1, slot = slot_of(object, mask);
    for (; table_[slot] != nullptr; slot = (slot + 1) & mask)
        if (table_[slot] == object) return false;
    table_[slot] = object;
    ++used_;
    return true;
}

void OwnedSet::clear() {
    owned_.clear();
    std::fill(table_.begin(), table_.end(), nullptr);
    used_ = 0;
}

bool RecordedKernel::fits(std::span<const Launch> launches, const Core& core) {
    if (launches.size() != 1) return false;
    const Launch& launch = launches.front();
    const ir::Target& target = core.physical().info.target;
    // Descriptors, and arguments in memory, are made for each launch.
    return target.buffer_addresses && launch.arguments.size() <= target.max_parameter_bytes &&
           launch.arguments.size() <= most_bytes && launch.grid[0] * launch.grid[1] * launch.grid[2] != 0 &&
           static_cast<const VulkanCommand&>(*launch.executable).recording() == nullptr;
}

void RecordedKernel::set(const Launch& launch) {
    executable_ = static_cast<const VulkanCommand&>(*launch.executable).number();
    std::ranges::copy(launch.grid, grid_);
    bytes_ = launch.arguments.size();
    std::memcpy(arguments_.data(), launch.arguments.data(), bytes_);
}

bool RecordedKernel::is(const Launch& launch) const {
    return executable_ == static_cast<const VulkanCommand&>(*launch.executable).number() &&
           std::ranges::equal(launch.grid, grid_) && launch.arguments.size() == bytes_ &&
           std::memcmp(launch.arguments.data(), arguments_.data(), bytes_) == 0;
}

void Batch::announce(const std::vector<Launch>& launches, const Event& event) {
    std::size_t objects = launches.size(); // the executables
    for (const Launch& launch : launches) objects += launch.buffers.size();
    owned.reserve(objects);
    for (const Launch& launch : launches)
        for (std::size_t k = 0; k < launch.buffers.size(); ++k)
            if (launch.writes(k))
                launch.buffers[k]->set_written(event);
            else
                launch.buffers[k]->add_read(event);
}

void Batch::clear() {
    owned.clear();
    owned_bytes = 0;
    work = 0;
    encoder.clear();
    touched.clear();
    last = nullptr;
    commands = Commands::stale;
}

std::unique_ptr<Batch> SpareBatches::take(std::size_t index) {
    std::unique_ptr<Batch> batch = std::move(batches_[index]);
    batches_.erase(batches_.begin() + static_cast<std::ptrdiff_t>(index));
    return batch;
}

std::unique_ptr<Batch> SpareBatches::take(const Launch& launch) {
    for (std::size_t k = batches_.size(); k-- > 0;)
        if (batches_[k]->kernel.is(launch)) return take(k);
    return nullptr;
}

std::unique_ptr<Batch> SpareBatches::take() {
    const auto free = std::ranges::find_if(batches_, [](const auto& batch) { return !batch->kernel.any(); });
    if (free != batches_.end()) return take(static_cast<std::size_t>(free - batches_.begin()));
    return batches_.size() < most_kept ? nullptr : take(std::size_t{0});
}

} // namespace heddle::runtime::vulkan
