#pragma once
// The program `heddle`: one file a subcommand. A command adds itself to the program and sets the exit code when it was chosen; what
// it throws becomes one line on stderr: code 2 for bad input (a file, an option), 1 for anything else.

#include <CLI/CLI.hpp>

#include <cstdint>
#include <string>

namespace heddle::tools {

void add_opt(CLI::App& app, int& exit_code);
void add_ops(CLI::App& app, int& exit_code);
void add_run(CLI::App& app, int& exit_code);
void add_cache(CLI::App& app, int& exit_code);
void add_compile(CLI::App& app, int& exit_code);
void add_bench(CLI::App& app, int& exit_code);
void add_devices(CLI::App& app, int& exit_code);
void add_tune(CLI::App& app, int& exit_code);

/// The text of a file, of stdin for `-`. Throws UsageError.
std::string read_text(const std::string& path);
/// For options: a whole number from `least` up.
CLI::Validator at_least(std::int64_t least);
/// For options: a bound on errors, finite and not negative.
CLI::Validator finite_bound();
/// How messages name that file.
std::string display_name(const std::string& path);

} // namespace heddle::tools
