#include "tools/commands.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

namespace heddle::tools {

std::string display_name(const std::string& path) { return path == "-" ? "<stdin>" : path; }

std::string read_text(const std::string& path) {
    if (path == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
    std::error_code unknown; // where nothing can be asked, opening fails too
    if (std::filesystem::is_directory(path, unknown)) throw UsageError(path + ": is a folder, not a file");
    std::ifstream file(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    if (!file && text.empty()) throw UsageError(path + ": cannot be read");
    return text;
}

CLI::Validator at_least(std::int64_t least) {
    return {[least](std::string& text) {
                std::int64_t value = 0;
                return CLI::detail::lexical_cast(text, value) && value >= least
                           ? std::string()
                           : fmt::format("'{}': expected a whole number of at least {}", text, least);
            },
            fmt::format(">= {}", least)};
}

CLI::Validator finite_bound() {
    return {[](std::string& text) {
                double value = -1;
                return CLI::detail::lexical_cast(text, value) && std::isfinite(value) && value >= 0
                           ? std::string()
                           : fmt::format("'{}': expected a finite number of at least 0", text);
            },
            ">= 0"};
}

namespace {

std::vector<std::string> commands_of(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
        names.push_back(command->get_name());
    return names;
}

/// One line for an error in the command line; the words of the library are kept where they say enough.
std::string failure_line(const CLI::App* app, const CLI::Error& error) {
    std::string message = error.what();
    std::ranges::replace(message, '\n', ' ');
    const std::vector<CLI::App*> chosen = app->get_subcommands();
    return fmt::format("heddle: {}; see heddle {}--help\n", message,
                       chosen.empty() ? "" : chosen[0]->get_name() + " ");
}

int run(int argc, char** argv) {
    CLI::App app("Heddle, a graph compiler for C++ functions over arrays", "heddle");
    app.failure_message(failure_line);
    app.set_version_flag("--version", "heddle " HEDDLE_VERSION);
    int exit_code = 0;
    add_opt(app, exit_code);
    add_ops(app, exit_code);
    add_run(app, exit_code);
    add_compile(app, exit_code);
    add_bench(app, exit_code);
    add_tune(app, exit_code);
    add_devices(app, exit_code);
    add_cache(app, exit_code);
    // An unknown word is named, not taken for an argument that no command wanted.
    const std::vector<std::string> commands = commands_of(app);
    if (argc > 1 && argv[1][0] != '-' && std::ranges::find(commands, argv[1]) == commands.end())
        throw UsageError(
            fmt::format("unknown command '{}'; there are: {}", argv[1], fmt::join(commands, ", ")));
    try {
        app.parse(argc, argv);
        if (app.get_subcommands().empty())
            throw UsageError(fmt::format("a command is missing; there are: {}", fmt::join(commands, ", ")));
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    return exit_code;
}

} // namespace
} // namespace heddle::tools

int main(int argc, char** argv) {
    try {
        return heddle::tools::run(argc, argv);
    } catch (const heddle::ParseError& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    } catch (const heddle::UsageError& error) {
        std::fprintf(stderr, "heddle: %s\n", error.what());
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "heddle: %s\n", error.what());
        return 1;
    }
}
