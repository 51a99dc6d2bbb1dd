#include "runtime/vulkan/batch.h"

#include <algorithm>
#include <cstring>

namespace heddle::runtime::vulkan {

std::size_t OwnedSet::slot_of(const void* object, std::size_t mask) {
    u64 mixed = reinterpret_cast<u64>(object) * 0x9E3779B97F4A7C15ull;
    return static_cast<std::size_t>(mixed >> 20) & mask;
}

bool OwnedSet::listed(const void* object) const {
    return std::ranges::any_of(owned_,
                               [&](const std::shared_ptr<void>& known) { return known.get() == object; });
}

/// All in the table, which is at most half full with so many.
void OwnedSet::grow_table(std::size_t count) {
    std::size_t slots = std::max<std::size_t>(64, table_.size());
    while (2 * count > slots) slots *= 2;
    if (tabled_ && slots == table_.size()) return;
    if (slots != table_.size()) std::vector<const void*>(slots, nullptr).swap(table_);
    tabled_ = true;
    for (const std::shared_ptr<void>& known : owned_) insert(known.get());
}

void OwnedSet::reserve(std::size_t count) {
    if (owned_.capacity() - owned_.size() < count)
        owned_.reserve(std::max(2 * owned_.capacity(), owned_.size() + count));
    if (owned_.size() + count > few) grow_table(owned_.size() + count);
}

bool OwnedSet::insert(const void* object) {
    std::size_t mask = table_.size() - 1, slot = slot_of(object, mask);
    for (; table_[slot] != nullptr; slot = (slot + 1) & mask)
        if (table_[slot] == object) return false;
    table_[slot] = object;
    return true;
}

void OwnedSet::clear() {
    owned_.clear();
    if (!tabled_) return;
    std::fill(table_.begin(), table_.end(), nullptr);
    tabled_ = false;
}

KernelIdentity::KernelIdentity(const Launch& launch)
    : executable_(static_cast<const VulkanCommand&>(*launch.executable).number()),
      grid_{launch.grid[0], launch.grid[1], launch.grid[2]} {}

u64 KernelIdentity::hash(std::span<const std::byte> arguments) const {
    u64 hash = executable_ + grid_[0] + (grid_[1] << 20) + (grid_[2] << 40);
    auto mix = [&](u64 word) {
        hash = (hash ^ word) * 0x9E3779B97F4A7C15ull;
        hash ^= hash >> 32;
    };
    std::size_t at = 0;
    for (; at + sizeof(u64) <= arguments.size(); at += sizeof(u64)) {
        u64 word = 0;
        std::memcpy(&word, arguments.data() + at, sizeof word);
        mix(word);
    }
    // Blocks are multiples of four bytes.
    if (at + sizeof(u32) <= arguments.size()) {
        u32 word = 0;
        std::memcpy(&word, arguments.data() + at, sizeof word);
        mix(word);
    }
    return hash | 1;
}

bool RecordedKernel::fits(const Launch& launch, const Core& core) {
    const ir::Target& target = core.physical().info.target;
    // Descriptors, and arguments in memory, are made for each launch.
    return target.buffer_addresses && launch.arguments.size() <= target.max_parameter_bytes &&
           launch.arguments.size() <= most_bytes && launch.grid[0] * launch.grid[1] * launch.grid[2] != 0 &&
           static_cast<const VulkanCommand&>(*launch.executable).recording() == nullptr;
}

void RecordedKernel::set(const KernelIdentity& kernel, std::span<const std::byte> arguments) {
    hash_ = kernel.hash(arguments);
    kernel_ = kernel;
    bytes_ = arguments.size();
    std::ranges::copy(arguments, arguments_.begin());
}

bool RecordedKernel::is(const KernelIdentity& kernel, std::span<const std::byte> arguments) const {
    return hash_ != 0 && kernel_ == kernel && arguments.size() == bytes_ &&
           std::memcmp(arguments.data(), arguments_.data(), bytes_) == 0;
}

PreparedKernel::PreparedKernel(const Launch& launch)
    : kernel(launch), executable(launch.executable), bytes(static_cast<u32>(launch.arguments.size())),
      pointers(static_cast<u32>(launch.pointer_fields.size())), write_mask(launch.write_mask) {
    std::ranges::copy(launch.pointer_fields, fields.begin());
}

void Batch::announce(const std::vector<Launch>& launches, const Event& event) {
    std::size_t objects = launches.size(); // the executables
    for (const Launch& launch : launches) objects += launch.buffers.size();
    owned.reserve(objects);
    // Noting a read may fail, and a write not; a read that then never comes is waited for once, for nothing.
    for (const bool writes : {false, true})
        for (const Launch& launch : launches)
            for (std::size_t k = 0; k < launch.buffers.size(); ++k)
                if (launch.writes(k) == writes) launch.buffers[k]->note_use(event, writes);
}

void Batch::clear() noexcept {
    owned.clear();
    owned_bytes = 0;
    work = 0;
    encoder.clear();
    touched.clear();
    last = nullptr;
    owned_last = nullptr;
    commands = Commands::stale;
}

BatchList::~BatchList() {
    while (pop_front() != nullptr) {
    }
}

void BatchList::push_front(std::unique_ptr<Batch> batch) noexcept {
    if (empty()) last_ = batch.get();
    batch->next = std::move(first_);
    first_ = std::move(batch);
    ++size_;
}

void BatchList::push_back(std::unique_ptr<Batch> batch) noexcept {
    Batch* const added = batch.get();
    (empty() ? first_ : last_->next) = std::move(batch);
    last_ = added;
    ++size_;
}

std::unique_ptr<Batch> BatchList::pop_front() noexcept {
    if (empty()) return nullptr;
    std::unique_ptr<Batch> batch = std::move(first_);
    first_ = std::move(batch->next);
    --size_;
    return batch;
}

void SpareBatches::give(std::unique_ptr<Batch> batch) noexcept {
    const u64 kernel = batch->kernel.hash();
    if (kernel == 0) {
        others_.push_front(std::move(batch));
        return;
    }
    if (kept_.size() == most_kept) {
        kept_.front().batch->kernel.clear();
        others_.push_front(take(kept_.begin()));
    }
    kept_.push_back({kernel, std::move(batch)});
}

std::unique_ptr<Batch> SpareBatches::take(std::vector<Kept>::iterator kept) {
    std::unique_ptr<Batch> batch = std::move(kept->batch);
    kept_.erase(kept);
    return batch;
}

std::unique_ptr<Batch> SpareBatches::take(const KernelIdentity& kernel,
                                          std::span<const std::byte> arguments) {
    const u64 hash = kernel.hash(arguments);
    // What was given last is most likely what is asked for next.
    const auto found = std::ranges::find_if(kept_.rbegin(), kept_.rend(), [&](const Kept& kept) {
        return kept.kernel == hash && kept.batch->kernel.is(kernel, arguments);
    });
    return found == kept_.rend() ? nullptr : take(std::prev(found.base()));
}

std::unique_ptr<Batch> SpareBatches::take() {
    if (std::unique_ptr<Batch> batch = others_.pop_front()) return batch;
    return kept_.size() < most_kept ? nullptr : take(kept_.begin());
}

} // namespace heddle::runtime::vulkan
