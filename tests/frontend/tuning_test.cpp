// What the tuner decides by, without a device: schedules and records as text, the choice among times, what counts as the same result.

#include "frontend/tuning.h"

#include "fixture.h"

#include <bit>
#include <cmath>
#include <limits>
#include <map>

using namespace heddle;
using namespace heddle::tests;
using namespace heddle::detail;
using passes::Schedule;
using passes::ScheduleKind;

namespace {

TEST(ScheduleText, every_kind_is_read_back_from_what_it_prints) {
    for (int kind = 0; kind <= static_cast<int>(ScheduleKind::column_tile); ++kind) {
        Schedule schedule{.kind = static_cast<ScheduleKind>(kind)};
        u32 value = 3;
        for (const passes::ScheduleField& field : passes::fields_of(schedule.kind))
            schedule.*field.value = value++;
        EXPECT_GT(value, 4u);
        EXPECT_EQ(passes::parse_schedule(text(schedule)), schedule) << text(schedule);
    }
}

TEST(ScheduleText, several_are_forced_at_once_with_or_without_a_kernel) {
    const auto forced =
        passes::parse_forced("@f.3 = column_tile(parts=4, vector=1); cpu_column(vector=8,block=2);");
    ASSERT_EQ(forced.size(), 2u);
    EXPECT_EQ(forced[0].kernel, "f.3");
    EXPECT_EQ(text(forced[0].schedule), "column_tile(parts=4, vector=1)");
    EXPECT_EQ(forced[1].kernel, "");
    EXPECT_EQ(text(forced[1].schedule), "cpu_column(vector=8, block=2)");
    EXPECT_TRUE(passes::parse_forced("").empty());
}

TEST(ScheduleText, what_changes_the_order_of_a_reduction_is_known) {
    const auto same = [](const char* a, const char* b) {
        return same_order(passes::parse_schedule(a), passes::parse_schedule(b));
    };
    EXPECT_TRUE(
        same("pointwise(threads=64, vector=4, steps=1, index=32)", "tile(threads=256, places=32, index=32)"));
    EXPECT_TRUE(same("cpu_row(vector=16, copies=4, carry=1, stream=0)",
                     "cpu_row(vector=16, copies=4, carry=0, stream=0)"));
    EXPECT_FALSE(same("cpu_row(vector=16, copies=4, carry=1, stream=0)",
                      "cpu_row(vector=8, copies=4, carry=1, stream=0)"));
    EXPECT_TRUE(same("column(threads=64, vector=1, index=32)", "column(threads=32, vector=4, index=32)"));
    EXPECT_FALSE(same("column(threads=64, vector=1, index=32)", "column_tile(parts=4, vector=1)"));
    EXPECT_FALSE(
        same("row(threads=64, team=64, vector=4, steps=1, held=0, exact=1, shared=0, parts=0, index=32)",
             "row(threads=64, team=64, vector=4, steps=4, held=0, exact=1, shared=0, parts=0, index=32)"));
    EXPECT_FALSE(same("column_tile(parts=8, vector=1)", "column_tile(parts=4, vector=1)"));
    EXPECT_FALSE(
        same("row(threads=128, team=128, vector=4, steps=4, held=1, exact=0, shared=0, parts=0, index=32)",
             "row(threads=256, team=256, vector=4, steps=2, held=1, exact=0, shared=0, parts=0, index=32)"));
}

TuningRecord some_record() {
    const Schedule standard = passes::parse_schedule("cpu_column(vector=16, block=8)");
    const Schedule other = passes::parse_schedule("cpu_column(vector=8, block=8)");
    const Schedule third = passes::parse_schedule("cpu_column(vector=8, block=4)");
    return {.kernel = "sum.0",
            .device = "a device, its driver 1.2",
            .sizes = "64 x 1000",
            .standard = standard,
            .chosen = other,
            .reason = "18% less time, in 9 of 9 pairs of runs",
            .trials = {
                {standard, 1.25e-4, ""}, {other, 1e-4, ""}, {third, -1, "differs: element 3 of output 0"}}};
}

TEST(TuningRecords, are_read_back_from_their_text) {
    const auto read = parse_record(text(some_record()));
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(*read, some_record());
    EXPECT_TRUE(read->is_tuned());
}

TEST(TuningRecords, of_other_texts_are_none) {
    const std::string whole = text(some_record());
    EXPECT_FALSE(parse_record("").has_value());
    EXPECT_FALSE(parse_record("kernel f\n").has_value());
    EXPECT_FALSE(parse_record(whole + "colour blue\n").has_value());
    EXPECT_FALSE(parse_record(whole + "trial soon cpu_column(vector=8, block=4)\n").has_value());
    EXPECT_FALSE(parse_record(whole + "trial 1 cpu_column(vector=8)\n").has_value());
    std::string changed = whole;
    changed.replace(changed.find("cpu_column"), 10, "gpu_column");
    EXPECT_FALSE(parse_record(changed).has_value());
}

/// Times that are said beforehand, on a clock that they move.
class Times {
public:
    explicit Times(std::vector<std::vector<double>> times) : times_(std::move(times)), next_(times_.size()) {}

    TuningChoice choose(const TuningLimits& limits = {.seconds = 1000}) {
        return choose_candidate(
            times_.size(),
            [&](std::size_t k) {
                const double time = times_[k][next_[k]++ % times_[k].size()];
                clock_ += time;
                ++runs_;
                return time;
            },
            [&] { return clock_; }, limits);
    }
    double clock() const { return clock_; }
    int runs() const { return runs_; }
    std::size_t runs_of(std::size_t k) const { return next_[k]; }

private:
    std::vector<std::vector<double>> times_;
    std::vector<std::size_t> next_;
    double clock_ = 0;
    int runs_ = 0;
};

TEST(TuningChoices, what_is_always_faster_is_chosen) {
    Times times({{1.0}, {0.9}, {0.5}, {0.7}});
    const TuningChoice choice = times.choose();
    EXPECT_EQ(choice.index, 2u);
    EXPECT_EQ(choice.medians[0], 1.0);
    EXPECT_EQ(choice.medians[2], 0.5);
    EXPECT_EQ(choice.reason, "50% less time, in 9 of 9 pairs of runs");
    EXPECT_FALSE(choice.out_of_time);
}

TEST(TuningChoices, equals_and_what_is_a_little_faster_leave_the_standard) {
    EXPECT_EQ(Times({{1.0}, {1.0}}).choose().index, 0u);
    EXPECT_EQ(Times({{1.0}, {0.98}}).choose().index, 0u);
    EXPECT_EQ(Times({{1.0}, {0.96}}).choose().index, 1u);
    EXPECT_EQ(Times(std::vector<std::vector<double>>{{1.0}}).choose().reason, "there is no other");
}

TEST(TuningChoices, one_lucky_run_is_no_reason) {
    EXPECT_EQ(Times({{1.0}, {0.2, 1.0, 1.0, 1.0, 1.0}}).choose().index, 0u);
}

TEST(TuningChoices, the_best_of_many_has_to_be_faster_once_more) {
    // Seven runs in which it is faster, then it is not.
    Times times({{1.0}, {0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1}});
    const TuningChoice choice = times.choose();
    EXPECT_EQ(choice.index, 0u);
    EXPECT_EQ(choice.reason, "the best was not faster when it ran again");
}

TEST(TuningChoices, a_median_that_gains_but_loses_a_third_of_the_pairs_is_not_enough) {
    Times times({{1.0}, {0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 1.2, 0.8, 1.2, 0.8, 1.2, 0.8, 0.8, 0.8}});
    EXPECT_EQ(times.choose().index, 0u);
}

TEST(TuningChoices, what_is_far_behind_runs_once) {
    Times times({{1.0}, {5.0}, {0.5}});
    EXPECT_EQ(times.choose().index, 2u);
    EXPECT_EQ(times.runs_of(1), 1u);
}

TEST(TuningChoices, the_time_is_kept_but_for_one_run) {
    Times times({{1.0}, {0.5}, {0.5}, {0.5}});
    const TuningChoice choice = times.choose({.seconds = 4});
    EXPECT_EQ(choice.index, 0u);
    EXPECT_TRUE(choice.out_of_time);
    EXPECT_LE(times.clock(), 5.0);
    Times none({{1.0}, {0.5}});
    EXPECT_EQ(none.choose({.seconds = 0}).index, 0u);
    EXPECT_EQ(none.runs(), 0);
    EXPECT_EQ(none.choose({.seconds = -1}).reason, "the time was up before another was timed");
}

std::span<const std::byte> bytes_of(const std::vector<float>& values) {
    return std::as_bytes(std::span(values));
}

TEST(TuningResults, are_the_same_bit_for_bit_or_within_bounds) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const float infinity = std::numeric_limits<float>::infinity();
    const std::vector<float> one{1, -0.f, nan, infinity, 1e-6f}, close{1.00001f, -0.f, nan, infinity, 1e-6f};
    const auto differ = [](const std::vector<float>& a, const std::vector<float>& b, bool exact) {
        return first_difference(Dtype::f32, bytes_of(a), bytes_of(b), exact);
    };
    EXPECT_FALSE(differ(one, one, true).has_value());
    EXPECT_EQ(differ(one, close, true), 0u);
    EXPECT_FALSE(differ(one, close, false).has_value());
    EXPECT_EQ(differ({1, 2}, {1, 2.01f}, false), 1u);
    EXPECT_EQ(differ({0.f}, {-0.f}, true), 0u) << "a zero's sign is a bit like others";
    EXPECT_EQ(differ({1, infinity}, {1, -infinity}, false), 1u);
    EXPECT_EQ(differ({1, infinity}, {1, 3e38f}, false), 1u);
    EXPECT_EQ(differ({1, nan}, {1, 1}, false), 1u);
    // What cancels to nearly nothing is measured by its neighbours.
    EXPECT_FALSE(differ({1000, 1e-3f}, {1000, 2e-3f}, false).has_value());
    const std::vector<std::int32_t> a{1, 2, 3}, b{1, 2, 4};
    EXPECT_EQ(first_difference(Dtype::i32, std::as_bytes(std::span(a)), std::as_bytes(std::span(b)), false),
              2u);
    // A NaN's payload is nobody's.
    std::vector<float> other = one;
    other[2] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(nan) ^ 1u);
    EXPECT_FALSE(differ(one, other, true).has_value());
}

TEST(TuningResults, sizes_share_a_bucket_up_to_the_next_power_of_two) {
    const auto bucket = [](std::vector<i64> sizes) { return size_bucket(sizes); };
    EXPECT_EQ(bucket({1024, 7}), bucket({2047, 4}));
    EXPECT_NE(bucket({1024, 7}), bucket({1023, 7}));
    EXPECT_NE(bucket({1024, 7}), bucket({7, 1024}));
    EXPECT_NE(bucket({0}), bucket({1}));
}

} // namespace
