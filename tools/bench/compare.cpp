#include "tools/bench/compare.h"

#include "tools/commands.h"

#include <heddle/error.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>
#include <utility>
#include <vector>

namespace heddle::tools {
namespace {

constexpr double least_noise = 0.02; ///< of the median: what layout and clocks move between two processes
constexpr std::int64_t least_runs = 3;

/// All lines of one workload in one file.
struct Recording {
    std::string place; ///< of the first line
    std::string device;
    std::vector<double> medians;
    double fastest = 0;
    std::int64_t runs = 0;

    double median() const {
        std::vector<double> sorted = medians;
        std::ranges::sort(sorted);
        return sorted[sorted.size() / 2];
    }
    double noise() const { return median() - fastest; }
};

using Key = std::pair<std::string, std::int64_t>; ///< name and size
using Recordings = std::map<Key, Recording>;

std::string title(const Key& key) {
    return key.second == 0 ? key.first : fmt::format("{} (n = {})", key.first, key.second);
}

/// One line of figures.
class Line {
public:
    Line(const std::string& text, std::string place)
        : place_(std::move(place)), object_(nlohmann::json::parse(text, nullptr, false)) {
        if (!object_.is_object()) fail("expected one JSON object, as heddle bench --json prints it");
    }

    std::string text(const char* field) const {
        if (!object_.contains(field) || !object_[field].is_string())
            fail(fmt::format("\"{}\" is no text", field));
        return object_[field];
    }
    double time(const char* field) const {
        const double value =
            object_.contains(field) && object_[field].is_number() ? object_[field].get<double>() : 0;
        if (!(value > 0) || !std::isfinite(value))
            fail(fmt::format("\"{}\" is no time in milliseconds", field));
        return value;
    }
    std::int64_t count(const char* field, std::int64_t least) const {
        const bool is_whole = object_.contains(field) && object_[field].is_number_integer();
        if (!is_whole || object_[field] < least)
            fail(fmt::format("\"{}\" is no whole number of at least {}", field, least));
        return object_[field];
    }
    [[noreturn]] void fail(const std::string& why) const {
        throw UsageError(fmt::format("{}: {}", place_, why));
    }
    const std::string& place() const { return place_; }

private:
    std::string place_;
    nlohmann::json object_;
};

void add(const Line& line, Recordings& recordings) {
    const Key key{line.text("name"), line.count("n", 0)};
    const std::string device = line.text("device");
    const double median = line.time("median_ms"), fastest = line.time("min_ms"),
                 slowest = line.time("max_ms");
    if (!(fastest <= median && median <= slowest))
        line.fail("\"median_ms\" is not between \"min_ms\" and \"max_ms\"");
    Recording& recording = recordings[key];
    if (recording.medians.empty()) {
        recording.place = line.place();
        recording.device = device;
        recording.fastest = fastest;
    }
    if (recording.device != device)
        line.fail(fmt::format("{} ran on {}, but on {} at {}", title(key), device, recording.device,
                              recording.place));
    recording.medians.push_back(median);
    recording.fastest = std::min(recording.fastest, fastest);
    recording.runs += line.count("runs", 1);
}

Recordings read(const std::string& file) {
    Recordings recordings;
    std::istringstream lines(read_text(file));
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
        ++number;
        if (line.find_first_not_of(" \t\r") != line.npos)
            add(Line(line, fmt::format("{}:{}", display_name(file), number)), recordings);
    }
    if (recordings.empty()) throw UsageError(display_name(file) + ":1: there are no figures");
    for (const auto& [key, recording] : recordings)
        if (recording.runs < least_runs)
            throw UsageError(fmt::format("{}: {} has {} runs; noise is not known from fewer than {}",
                                         recording.place, title(key), recording.runs, least_runs));
    return recordings;
}

std::string milliseconds(double value) { return fmt::format("{:.4g} ms", value); }

/// Counts of what moved.
struct Summary {
    int slower = 0, faster = 0, still = 0;
};

void compare_one(const Key& key, const Recording& before, const Recording& after, Summary& summary) {
    if (after.device != before.device)
        throw UsageError(fmt::format("{}: {} ran on {}, but on {} at {}", after.place, title(key),
                                     after.device, before.device, before.place));
    const double from = before.median(), to = after.median();
    const double noise = std::max(before.noise() + after.noise(), least_noise * from);
    if (std::fabs(to - from) <= noise) {
        ++summary.still;
        return;
    }
    ++(to > from ? summary.slower : summary.faster);
    fmt::print("{}  {}: {} -> {}, {:+.1f}% (noise {:.1f}%)\n", to > from ? "slower" : "faster", title(key),
               milliseconds(from), milliseconds(to), (to / from - 1) * 100, noise / from * 100);
}

void print_missing(const Recordings& all, const Recordings& other, const std::string& file) {
    for (const auto& [key, recording] : all)
        if (!other.contains(key)) fmt::print("only in {}: {}\n", display_name(file), title(key));
}

} // namespace

int compare_benches(const std::string& before, const std::string& after) {
    const Recordings old_ones = read(before), new_ones = read(after);
    Summary summary;
    for (const auto& [key, recording] : new_ones)
        if (const auto old = old_ones.find(key); old != old_ones.end())
            compare_one(key, old->second, recording, summary);
    if (summary.slower + summary.faster + summary.still == 0)
        throw UsageError(fmt::format("{}:1: no workload of it is in {} with the same n", display_name(after),
                                     display_name(before)));
    print_missing(old_ones, new_ones, before);
    print_missing(new_ones, old_ones, after);
    fmt::print("{} slower, {} faster, {} within noise\n", summary.slower, summary.faster, summary.still);
    return summary.slower == 0 ? 0 : 1;
}

} // namespace heddle::tools
