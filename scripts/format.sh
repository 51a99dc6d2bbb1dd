#!/usr/bin/env bash
# Formats all sources, or those below the given files and folders, with clang-format-22.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
only=()
for path in "$@"; do only+=(--only "$(realpath --relative-to="$root" "$path")"); done
exec "$root/scripts/check.py" format --fix "${only[@]}"
