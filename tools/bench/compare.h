#pragma once
// heddle bench --compare: what moved between two files of `heddle bench --json` lines. Interruptions make runs slower, never faster, so
// the distance from the fastest run to the median is what a machine's own unrest is taken to be: a median has moved when it lies
// further away than both files' distances together, and by at least 2%. Several lines of one workload are recordings of it:
// their medians' median counts, and the fastest run of all.

#include <string>

namespace heddle::tools {

/// Prints what moved and a summary. Returns 1 if something became slower, else 0. Throws UsageError `FILE:LINE: why` for a file that
/// cannot be read, a line that is no such object, and a workload that ran on different devices.
int compare_benches(const std::string& before, const std::string& after);

} // namespace heddle::tools
