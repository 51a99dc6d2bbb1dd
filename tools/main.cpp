#include "tools/commands.h"

#include <heddle/error.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

namespace heddle::tools {

std::string display_name(const std::string& path) { return path == "-" ? "<stdin>" : path; }

std::string read_text(const std::string& path) {
    if (path == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
    std::ifstream file(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    if (!file && text.empty()) throw UsageError(path + ": cannot be read");
    return text;
}

namespace {

int run(int argc, char** argv) {
    CLI::App app("Heddle, a graph compiler for C++ functions over arrays", "heddle");
    app.require_subcommand(1);
    int exit_code = 0;
    add_opt(app, exit_code);
    add_ops(app, exit_code);
    add_run(app, exit_code);
    add_compile(app, exit_code);
    add_bench(app, exit_code);
    add_devices(app, exit_code);
    add_cache(app, exit_code);
    try {
        app.parse(argc, argv);
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
