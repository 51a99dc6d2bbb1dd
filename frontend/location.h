#pragma once
// The user's line. A composite function (softmax, ...) pushes its caller's place as a scope, so that errors, dumps and profiles
// name the line that called it, never one of the library's.

#include <source_location>
#include <string>
#include <string_view>

namespace heddle::ir {
class Module;
}

namespace heddle::detail {

/// While it lives, ops on this thread belong to the composite function `name` called at `where`. Nested ones change nothing.
class Scope {
public:
    Scope(const char* name, std::source_location where);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

private:
    bool outermost_;
};

/// The user's place and the composite function it called, if any.
std::source_location user_place(std::source_location where);
std::string_view composite_name();

/// `main.cpp:12`.
std::string text(std::source_location where);
/// Puts `who` (a compiled function, or what was asked of an array) and the user's place into the message of the error that a run ends with, and
/// keeps its type: of a DeviceError, of the UsageError of a device that there is not, of the ShapeError of sizes that a program is not for. Others pass
/// as they are.
[[noreturn]] void rethrow_run_error(std::string_view who, std::source_location where);
/// The file's last component.
std::string_view file_name(const char* path);

} // namespace heddle::detail
