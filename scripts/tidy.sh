#!/usr/bin/env bash
# Runs clang-tidy-22 with .clang-tidy (naming rules, likely bugs) over the sources of the layers, or over the files given.
# Needs scripts/install-deps.sh --dev, and a configured build folder: build/release, or $BUILD.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build/release}
[[ -f $build/compile_commands.json ]] || { echo "tidy.sh: $build is not configured: cmake --preset release" >&2; exit 1; }
files=("$@")
[[ ${#files[@]} -gt 0 ]] ||
    mapfile -t files < <(git ls-files 'support/*.cpp' 'ir/*.cpp' 'passes/*.cpp' 'codegen/*.cpp' 'runtime/*.cpp' 'frontend/*.cpp' 'tools/*.cpp')
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" clang-tidy-22 --quiet -p "$build"
