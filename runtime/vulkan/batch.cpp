#include "runtime/vulkan/batch.h"

#include <algorithm>

namespace heddle::runtime::vulkan {

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

std::unique_ptr<Batch> SpareBatches::take_earlier(const KernelIdentity& kernel,
                                                  std::span<const std::byte> arguments) {
    if (kept_.empty()) return nullptr;
    const u64 hash = kernel.hash(arguments);
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
