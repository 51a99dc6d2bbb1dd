#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test: unit tests, .hir files, structure checks, the program built against
# an installation; then the core tests once more under the address and thread sanitizers. The last line counts them all.
#
# usage: scripts/test.sh [release] [asan] [tsan]      all three by default
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-deps.sh

stages=("$@")
[[ ${#stages[@]} -gt 0 ]] || stages=(release asan tsan)
jobs=$(nproc)
reports=()
status=0

note() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

# build_and_run PRESET BUILD_TARGET [ctest option...]
build_and_run() {
    local preset=$1 target=$2 report="$PWD/build/$1/ctest.xml" log="build/$1-tests.log"
    shift 2
    note "$preset: configure and build"
    cmake --preset "$preset" >"build/$preset-configure.log" 2>&1 || { cat "build/$preset-configure.log"; exit 1; }
    cmake --build --preset "$preset" --target "$target" -- -j "$jobs" --quiet
    note "$preset: tests"
    rm -f "$report" "build/$preset/lit.xml"
    # The whole log is long: a reader wants its closing lines, or all that did not pass.
    if ctest --test-dir "build/$preset" -j "$jobs" --output-on-failure --no-tests=error --output-junit "$report" "$@" \
        >"$log" 2>&1; then
        tail -n 3 "$log"
    else
        status=1
        grep -vE '^ +Start +[0-9]+:| Passed +[0-9.]+ sec' "$log" || true
    fi
    [[ -s $report ]] || { echo "test.sh: ctest wrote no report for $preset" >&2; exit 1; }
    reports+=("$report")
}

mkdir -p build
for stage in "${stages[@]}"; do
    case $stage in
    release) build_and_run release all ;;
    asan) build_and_run asan heddle_sanitized_tests --label-regex ':address' ;;
    tsan) build_and_run tsan heddle_sanitized_tests --label-regex ':thread' ;;
    *) echo "test.sh: unknown stage $stage; there are release, asan, tsan" >&2; exit 2 ;;
    esac
done

note "done"
scripts/count-tests.py "${reports[@]}" || status=1
exit "$status"
