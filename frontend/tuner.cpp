#include "frontend/tuner.h"

#include "frontend/context_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <tuple>

namespace heddle::detail {

namespace {

/// In memory; programs keep what they use.
constexpr std::size_t most_decided = 16384;

class HostStopwatch final : public Stopwatch {
public:
    double seconds(runtime::Device& device, const passes::Schedule&, const runtime::Launch& launch) override {
        constexpr double enough = 2e-3;
        constexpr std::size_t most = 256;
        std::size_t count = 1;
        for (;;) {
            std::vector<runtime::Launch> launches(count, launch);
            for (runtime::Launch& one : launches) one.barrier_before = true;
            const double begin = now();
            device.submit(std::move(launches)).wait();
            const double each = (now() - begin) / static_cast<double>(count);
            const std::size_t wanted =
                each > 0 ? std::min(most, static_cast<std::size_t>(std::ceil(enough / each))) : most;
            // A few runs more would change nothing.
            if (wanted <= 2 * count) return each;
            count = wanted;
        }
    }

    double now() override {
        return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    }
};

} // namespace

Digest tuning_key(const runtime::DeviceInfo& device, const Digest& kernel, std::span<const u32> bucket) {
    std::string text = fmt::format("{} {}\n{}\n", kernel.text(), device.description, device.driver);
    for (const u32 size : bucket) text += fmt::format("{} ", size);
    return digest(std::as_bytes(std::span(text)));
}

std::unique_ptr<Stopwatch> make_stopwatch() { return std::make_unique<HostStopwatch>(); }

Tuner::Tuner(const TunerOptions& options, DiskCache& disk, std::unique_ptr<Stopwatch> stopwatch,
             Counters& counters)
    : options_(options), disk_(disk), stopwatch_(std::move(stopwatch)), counters_(counters) {}

Tuner::~Tuner() = default;

Tuner::Claim::~Claim() {
    if (tuner_ == nullptr) return;
    std::lock_guard lock(tuner_->mutex_);
    tuner_->decided_.erase(key_);
}

std::shared_ptr<const TuningRecord> Tuner::Claim::settle(TuningRecord record, bool lasting) {
    auto decided = std::make_shared<const TuningRecord>(std::move(record));
    if (lasting) tuner_->disk_.store_record(key_, text(*decided));
    std::lock_guard lock(tuner_->mutex_);
    tuner_->decided_[key_] = decided;
    tuner_ = nullptr;
    return decided;
}

std::shared_ptr<const TuningRecord> Tuner::load(const Digest& key,
                                                const std::function<bool(const TuningRecord&)>& valid) {
    if (!reads_disk_) return nullptr;
    const std::optional<std::string> kept = disk_.load_record(key);
    if (!kept) return nullptr;
    std::optional<TuningRecord> record = parse_record(*kept);
    if (!record || !valid(*record)) return nullptr;
    counters_.schedules_loaded.fetch_add(1, std::memory_order_relaxed);
    return std::make_shared<const TuningRecord>(std::move(*record));
}

Tuner::Answer Tuner::look_up(const Digest& key, const std::function<bool(const TuningRecord&)>& valid) {
    Answer answer{nullptr, std::make_unique<Claim>(key)};
    {
        std::lock_guard lock(mutex_);
        if (decided_.size() >= most_decided)
            std::erase_if(decided_, [](const auto& item) { return item.second != nullptr; });
        const auto [place, fresh] = decided_.try_emplace(key);
        if (!fresh) return {place->second, nullptr};
        answer.claim->tuner_ = this;
    }
    if (auto kept = load(key, valid)) answer = {answer.claim->settle(*kept, false), nullptr};
    return answer;
}

std::vector<std::shared_ptr<const TuningRecord>> Tuner::decisions() {
    std::vector<std::shared_ptr<const TuningRecord>> all;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [key, record] : decided_)
            if (record != nullptr) all.push_back(record);
    }
    std::ranges::sort(all, {}, [](const auto& record) { return std::tie(record->kernel, record->sizes); });
    return all;
}

std::shared_ptr<const TuningRecord> Tuner::known(const Digest& key,
                                                 const std::function<bool(const TuningRecord&)>& valid) {
    {
        std::lock_guard lock(mutex_);
        if (const auto place = decided_.find(key); place != decided_.end() && place->second != nullptr)
            return place->second;
    }
    return load(key, valid);
}

} // namespace heddle::detail
