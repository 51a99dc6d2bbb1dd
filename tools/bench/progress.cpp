#include "tools/bench/progress.h"

#include <fmt/format.h>

#include <cstdio>

#include <unistd.h>

namespace heddle::tools {
namespace {

constexpr const char* erase_line = "\r\x1b[K";

} // namespace

Progress::Progress(bool always)
    : is_terminal_(isatty(STDERR_FILENO) != 0), is_shown_(always || is_terminal_) {}

void Progress::show(std::string_view step) {
    if (!is_shown_) return;
    if (is_terminal_)
        fmt::print(stderr, "{}{}", erase_line, step);
    else
        fmt::print(stderr, "{}\n", step);
    std::fflush(stderr);
    is_line_open_ = is_terminal_;
}

void Progress::clear() {
    if (!is_line_open_) return;
    fmt::print(stderr, "{}", erase_line);
    std::fflush(stderr);
    is_line_open_ = false;
}

} // namespace heddle::tools
