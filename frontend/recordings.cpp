#include "frontend/recordings.h"

#include <algorithm>
#include <utility>

namespace heddle::detail {

namespace {

constexpr std::size_t most_sizes = 4;
/// After so many recordings of one choice of sizes that did not match, only what depends on no value of the call is recorded; after so many
/// that were given back because memory was short, none is.
constexpr u32 most_setbacks = 4;

} // namespace

bool Recording::matches(const RecordedPart& part, std::span<const u64> now) const {
    return std::ranges::all_of(part.depends, [&](u32 k) { return values[k] == now[k]; });
}

Recordings::Answer Recordings::look_up(std::span<const i64> symbols, std::span<const u64> values) {
    Answer answer;
    std::shared_ptr<Entry> evicted; // its recording goes after the lock
    std::lock_guard lock(mutex_);
    ++uses_;
    for (const std::shared_ptr<Entry>& entry : entries_) {
        if (!std::ranges::equal(entry->symbols, symbols)) continue;
        entry->last_use = uses_;
        if (entry->given_up || entry->busy) return answer;
        answer.entry = entry;
        answer.recording = entry->recording;
        if (answer.recording != nullptr) return answer;
        for (std::size_t k = 0; k < values.size(); ++k)
            if (entry->seen[k] != values[k]) entry->changing[k] = true;
        entry->seen.assign(values.begin(), values.end());
        answer.changing = entry->changing;
        answer.record = entry->busy = true;
        return answer;
    }
    if (entries_.size() == most_sizes) {
        const auto oldest = std::ranges::min_element(entries_, {}, [](const auto& e) { return e->last_use; });
        evicted = std::exchange(*oldest, entries_.back());
        entries_.pop_back();
    }
    auto entry = std::make_shared<Entry>();
    entry->symbols.assign(symbols.begin(), symbols.end());
    entry->seen.assign(values.begin(), values.end());
    entry->changing.resize(values.size());
    entry->last_use = uses_;
    entries_.push_back(std::move(entry));
    return answer;
}

void Recordings::keep(const Answer& answer, std::shared_ptr<const Recording> recording) {
    std::lock_guard lock(mutex_);
    answer.entry->busy = false;
    answer.entry->recording = std::move(recording);
}

void Recordings::give_up(const Answer& answer) {
    std::lock_guard lock(mutex_);
    answer.entry->busy = false;
    answer.entry->given_up = true;
}

void Recordings::missed(const Answer& answer, std::span<const u64> values) {
    std::shared_ptr<const Recording> gone;
    std::lock_guard lock(mutex_);
    Entry& entry = *answer.entry;
    if (entry.recording != answer.recording) return; // another thread met the same
    gone = std::move(entry.recording);
    for (std::size_t k = 0; k < values.size(); ++k)
        if (gone->values[k] != values[k]) entry.changing[k] = true;
    if (++entry.misses >= most_setbacks) entry.changing.assign(values.size(), true);
    entry.seen.assign(values.begin(), values.end());
}

bool Recordings::release_kept() {
    std::vector<std::shared_ptr<const Recording>> gone;
    std::lock_guard lock(mutex_);
    for (const std::shared_ptr<Entry>& entry : entries_) {
        if (entry->recording == nullptr) continue;
        gone.push_back(std::move(entry->recording));
        entry->given_up = ++entry->releases >= most_setbacks;
    }
    return !gone.empty();
}

} // namespace heddle::detail
