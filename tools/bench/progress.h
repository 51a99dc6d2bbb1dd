#pragma once
// What a long command is doing, on stderr: one line that each step overwrites on a terminal, a line a step elsewhere.

#include <string_view>

namespace heddle::tools {

class Progress {
public:
    /// Shown on a terminal, and anywhere if `always`.
    explicit Progress(bool always);
    ~Progress() { clear(); }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void show(std::string_view step);
    /// Makes room for other output.
    void clear();

private:
    bool is_terminal_;
    bool is_shown_;
    bool is_line_open_ = false;
};

} // namespace heddle::tools
