#include "frontend/location.h"

#include <heddle/error.h>

#include <fmt/format.h>

namespace heddle::detail {

namespace {

struct Place {
    const char* name = nullptr;
    std::source_location where;
};
thread_local constinit Place outermost{};

} // namespace

Scope::Scope(const char* name, std::source_location where) : outermost_(outermost.name == nullptr) {
    if (outermost_) outermost = {name, where};
}

Scope::~Scope() {
    if (outermost_) outermost.name = nullptr;
}

std::source_location user_place(std::source_location where) {
    return outermost.name == nullptr ? where : outermost.where;
}

std::string_view composite_name() { return outermost.name == nullptr ? std::string_view{} : outermost.name; }

std::string_view file_name(const char* path) {
    const std::string_view text = path;
    const std::size_t slash = text.rfind('/');
    return slash == std::string_view::npos ? text : text.substr(slash + 1);
}

std::string text(std::source_location where) {
    if (where.line() == 0) return "an operator";
    return fmt::format("{}:{}", file_name(where.file_name()), where.line());
}

void rethrow_run_error(std::string_view who, std::source_location where) {
    auto located = [&](const std::exception& error) {
        const std::string_view message = error.what();
        const bool named = message.starts_with(who) && message.substr(who.size()).starts_with(':');
        return fmt::format("{}{}{} ({})", named ? "" : who, named ? "" : ": ", message,
                           text(user_place(where)));
    };
    try {
        throw;
    } catch (const OutOfMemory& error) {
        throw OutOfMemory(located(error));
    } catch (const DeviceLost& error) {
        throw DeviceLost(located(error));
    } catch (const DeviceError& error) {
        throw DeviceError(located(error));
    } catch (const UsageError& error) {
        throw UsageError(located(error));
    } catch (const ShapeError& error) {
        throw ShapeError(located(error));
    }
}

} // namespace heddle::detail
