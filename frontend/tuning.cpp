#include "frontend/tuning.h"

#include "support/numeric.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

namespace heddle::detail {

namespace {

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::ranges::nth_element(values, middle);
    return *middle;
}

/// The choice among candidates, as far as the time goes.
class Race {
public:
    Race(std::size_t count, const std::function<double(std::size_t)>& seconds,
         const std::function<double()>& now, const TuningLimits& limits)
        : seconds_(seconds), now_(now), limits_(limits), begin_(now()), samples_(count), live_(count, true) {}

    TuningChoice run() {
        for (int round = 0; round < limits_.rounds && left(screening); ++round) {
            for (std::size_t k = 0; k < samples_.size() && left(screening); ++k)
                if (live_[k]) samples_[k].push_back(seconds_(k));
            drop_the_slow();
        }
        TuningChoice choice = decide();
        for (const std::vector<double>& own : samples_)
            choice.medians.push_back(own.empty() ? -1 : median(own));
        return choice;
    }

private:
    /// Of the time, for the first runs of all; the rest is for the pairs.
    static constexpr double screening = 0.6;
    static constexpr std::size_t fewest_pairs = 5;

    bool left(double share) const { return now_() - begin_ < share * limits_.seconds; }

    /// Whose best time is far from the best median will not win.
    void drop_the_slow() {
        constexpr double far = 1.2;
        double best = -1;
        for (const std::vector<double>& own : samples_)
            if (!own.empty() && (best < 0 || median(own) < best)) best = median(own);
        for (std::size_t k = 1; k < samples_.size(); ++k)
            if (!samples_[k].empty() && std::ranges::min(samples_[k]) > far * best) live_[k] = false;
    }

    bool gains(double standard, double other) const { return other < standard * (1 - limits_.least_gain); }

    TuningChoice decide() {
        std::size_t best = 0;
        for (std::size_t k = 1; k < samples_.size(); ++k)
            if (live_[k] && !samples_[k].empty() &&
                (best == 0 || median(samples_[k]) < median(samples_[best])))
                best = k;
        if (samples_.size() == 1) return {0, "there is no other"};
        if (std::ranges::any_of(samples_, [](const auto& own) { return own.empty(); }) && best == 0)
            return {0, "the time was up before another was timed", {}, true};
        if (best == 0) return {0, "nothing is near it"};
        if (!gains(median(samples_[0]), median(samples_[best]))) return {0, "nothing is clearly faster"};
        return duel(best);
    }

    /// The best of many is partly lucky: only fresh runs count, one beside the other, in changing order.
    TuningChoice duel(std::size_t best) {
        std::vector<double> standard, other;
        std::size_t wins = 0;
        for (int pair = 0; pair < limits_.pairs && left(1); ++pair) {
            const bool first = pair % 2 == 0;
            if (first) standard.push_back(seconds_(0));
            other.push_back(seconds_(best));
            if (!first) standard.push_back(seconds_(0));
            wins += other.back() < standard.back();
        }
        if (other.size() < fewest_pairs) return {0, "the time was up before a choice was certain", {}, true};
        const bool wins_most = wins >= other.size() - other.size() / 5;
        if (!wins_most || !gains(median(standard), median(other)))
            return {0, "the best was not faster when it ran again"};
        samples_[0] = standard;
        samples_[best] = other;
        return {best, fmt::format("{:.0f}% less time, in {} of {} pairs of runs",
                                  100 * (1 - median(other) / median(standard)), wins, other.size())};
    }

    const std::function<double(std::size_t)>& seconds_;
    const std::function<double()>& now_;
    const TuningLimits& limits_;
    double begin_;
    std::vector<std::vector<double>> samples_;
    std::vector<bool> live_;
};

/// Up to the end of the line; `rest` begins behind it.
std::string_view next_line(std::string_view& rest) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return line;
}

/// `SECONDS SCHEDULE [NOTE]`
TuningTrial parse_trial(std::string_view line) {
    TuningTrial trial;
    const std::size_t space = std::min(line.find(' '), line.size());
    const auto read = std::from_chars(line.data(), line.data() + space, trial.seconds);
    const std::size_t close = line.find(')');
    if (read.ec != std::errc{} || close == line.npos) throw UsageError("no trial");
    trial.schedule = passes::parse_schedule(line.substr(space, close + 1 - space));
    if (close + 2 < line.size()) trial.note = line.substr(close + 2);
    return trial;
}

double tolerance_of(Dtype dtype) {
    switch (dtype) {
    case Dtype::f64: return 0x1p-40;
    case Dtype::f16: return 0x1p-8;
    case Dtype::bf16: return 0x1p-5;
    default: return 0x1p-13;
    }
}

} // namespace

std::string text(const TuningRecord& record) {
    std::string lines =
        fmt::format("kernel {}\ndevice {}\nsizes {}\nstandard {}\nchosen {}\nreason {}\n", record.kernel,
                    record.device, record.sizes, text(record.standard), text(record.chosen), record.reason);
    for (const TuningTrial& trial : record.trials)
        lines += fmt::format("trial {} {}{}{}\n", trial.seconds, text(trial.schedule),
                             trial.note.empty() ? "" : " ", trial.note);
    return lines;
}

std::optional<TuningRecord> parse_record(std::string_view text) {
    TuningRecord record;
    bool standard = false, chosen = false;
    try {
        while (!text.empty()) {
            const std::string_view line = next_line(text);
            const std::size_t space = std::min(line.find(' '), line.size());
            const std::string_view word = line.substr(0, space);
            const std::string_view value = line.substr(std::min(space + 1, line.size()));
            if (word == "kernel")
                record.kernel = value;
            else if (word == "device")
                record.device = value;
            else if (word == "sizes")
                record.sizes = value;
            else if (word == "reason")
                record.reason = value;
            else if (word == "trial")
                record.trials.push_back(parse_trial(value));
            else if (word == "standard")
                record.standard = passes::parse_schedule(value), standard = true;
            else if (word == "chosen")
                record.chosen = passes::parse_schedule(value), chosen = true;
            else
                return std::nullopt;
        }
    } catch (const UsageError&) {
        return std::nullopt;
    }
    return standard && chosen ? std::optional(std::move(record)) : std::nullopt;
}

TuningChoice choose_candidate(std::size_t count, const std::function<double(std::size_t)>& seconds,
                              const std::function<double()>& now, const TuningLimits& limits) {
    return Race(count, seconds, now, limits).run();
}

std::optional<std::size_t> first_difference(Dtype dtype, std::span<const std::byte> a,
                                            std::span<const std::byte> b, bool exact) {
    const std::size_t size = size_of(dtype), count = a.size() / size;
    if (std::ranges::equal(a, b)) return std::nullopt;
    const auto bits = [&](std::span<const std::byte> bytes, std::size_t k) {
        return load_bits(dtype, bytes.data() + k * size);
    };
    double scale = 0;
    if (is_float(dtype) && !exact) {
        std::size_t finite = 0;
        for (std::size_t k = 0; k < count; ++k)
            if (const double value = value_of(dtype, bits(a, k)); std::isfinite(value)) {
                scale += value * value;
                ++finite;
            }
        scale = finite == 0 ? 0 : std::sqrt(scale / static_cast<double>(finite));
    }
    for (std::size_t k = 0; k < count; ++k) {
        const u64 x = bits(a, k), y = bits(b, k);
        if (x == y) continue;
        if (!is_float(dtype)) return k;
        const double one = value_of(dtype, x), other = value_of(dtype, y);
        if (std::isnan(one) && std::isnan(other)) continue;
        if (exact || !std::isfinite(one) || !std::isfinite(other)) return k;
        const double largest = std::max({std::fabs(one), std::fabs(other), scale});
        if (!(std::fabs(one - other) <= tolerance_of(dtype) * largest)) return k;
    }
    return std::nullopt;
}

std::vector<u32> size_bucket(std::span<const i64> sizes) {
    std::vector<u32> bucket;
    for (const i64 size : sizes) bucket.push_back(static_cast<u32>(std::bit_width(static_cast<u64>(size))));
    return bucket;
}

} // namespace heddle::detail
