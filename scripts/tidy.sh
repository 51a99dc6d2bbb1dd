#!/usr/bin/env bash
# Runs clang-tidy-22 with .clang-tidy (naming rules, likely bugs), politely and one file at a time.
#
# usage: scripts/tidy.sh            sources that differ from branch main, and for each header that does one source that includes it
#        scripts/tidy.sh FILE...    these sources
#        scripts/tidy.sh --all      all sources of the layers
#
# Needs scripts/install-deps.sh --dev, and a configured build folder: build/release, or $BUILD. Exit status 1 if anything was found.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build/release}
layers='^(support|ir|passes|codegen|runtime|frontend|bench|tools)/'
fail() { echo "tidy.sh: $*" >&2; exit 2; }

# A header is looked at through a source, since only sources have a compile command.
source_of() {
    local name=\"$1\"
    [[ $1 != include/* ]] || name="<${1#include/}>"
    git grep -l --fixed-strings "#include $name" -- '*.cpp' | grep -E "$layers" | head -n 1 || true
}

changed() {
    local base file
    base=$(git merge-base main HEAD 2>/dev/null) || fail "there is no branch main to compare with; name files, or --all"
    { git diff --name-only --diff-filter=d "$base"; git ls-files --others --exclude-standard; } | while read -r file; do
        case $file in
            *.h) source_of "$file" ;;
            *.cpp) echo "$file" | grep -E "$layers" || true ;;
        esac
    done | sort -u
}

command -v clang-tidy-22 >/dev/null || fail "clang-tidy-22 was not found; scripts/install-deps.sh --dev installs it"
[[ -f $build/compile_commands.json ]] || fail "$build is not configured: cmake --preset release"
case ${1:-} in
    --all) files=$(git ls-files '*.cpp' | grep -E "$layers") ;;
    -*) fail "unknown option $1; there is --all" ;;
    '') files=$(changed) ;;
    *) files=$(printf '%s\n' "$@") ;;
esac
[[ -n $files ]] || { echo "tidy.sh: no source differs from main"; exit 0; }

found=0
while read -r file; do
    nice clang-tidy-22 --quiet -p "$build" "$file" 2> >(grep -v 'generated\.$' >&2) || found=1
done <<<"$files"
exit $found
