#!/usr/bin/env bash
# The main job: installs what is missing, builds Heddle, and runs a compiled pipeline over a photograph on every device here.
#
# usage: scripts/demo.sh [PICTURE.png|PICTURE.jpg [FOLDER]]      without a picture it uses one that an installed package ships
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-deps.sh
mkdir -p build
cmake --preset release >build/release-configure.log 2>&1 || { cat build/release-configure.log; exit 1; }
cmake --build --preset release --target example_photo -- --quiet
exec build/release/bin/example_photo "$@"
