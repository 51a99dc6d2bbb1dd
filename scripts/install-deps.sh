#!/usr/bin/env bash
# Installs, from Debian 12's own archive and nowhere else, whatever Heddle's build, tests and demo need and this machine lacks.
# docs/dependencies.md says what each package is for. Does nothing, quickly, when all is there.
#
# usage: scripts/install-deps.sh [--dev]      --dev adds clang-tidy, for scripts/tidy.sh, and rsvg-convert, for PNG of plots
set -euo pipefail

packages=(
    g++ cmake ninja-build git python3 ccache mold
    libfmt-dev libxxhash-dev libcli11-dev nlohmann-json3-dev libstb-dev
    python-matplotlib-data
    libvulkan-dev spirv-headers spirv-tools
    libgtest-dev libgmock-dev
    mesa-vulkan-drivers vulkan-validationlayers
)

installed() {
    local state
    state=$(dpkg-query -W -f='${db:Status-Status}\n' "$1" 2>/dev/null) && [[ $state == installed* ]]
}
missing_of() { local package; for package in "$@"; do installed "$package" || echo "$package"; done; }
has_candidate() { [[ $(apt-cache policy "$1" 2>/dev/null) =~ Candidate:\ [0-9] ]]; }

as_root() {
    if [[ $(id -u) == 0 ]]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    elif command -v sudo >/dev/null; then
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    else
        echo "install-deps.sh: run it as root, or install sudo; it needs: $*" >&2
        exit 1
    fi
}

# Another apt may be at work; its locks are waited for.
apt_get() {
    local attempt log
    log=$(mktemp)
    for attempt in 1 2 3 4 5 6; do
        if as_root apt-get -q -y -o DPkg::Lock::Timeout=600 "$@" >"$log" 2>&1; then
            rm -f "$log"
            return 0
        fi
        grep -qi 'could not get lock\|unable to lock' "$log" || break
        sleep 10
    done
    echo "install-deps.sh: apt-get $* failed:" >&2
    tail -n 20 "$log" >&2
    rm -f "$log"
    return 1
}

# LLVM 22 comes with Debian 12's security updates; where those are not to be had, 19 does.
# Formatting and tidy are version 22's, whichever LLVM is built with: without it they are not checked.
llvm_packages() {
    echo "llvm-$1-dev" "llvm-$1-tools"
    [[ $1 == 22 ]] || return 0
    echo clang-format-22
    [[ $with_dev == no ]] || echo clang-tidy-22
}

main() {
    with_dev=no
    [[ ${1:-} != --dev ]] || with_dev=yes
    [[ $with_dev == no ]] || packages+=(librsvg2-bin)

    local missing version=22
    mapfile -t missing < <(missing_of "${packages[@]}" $(llvm_packages 22))
    [[ ${#missing[@]} -gt 0 ]] || return 0

    if ! has_candidate llvm-22-dev; then
        mapfile -t missing < <(missing_of "${packages[@]}" $(llvm_packages 19))
        [[ ${#missing[@]} -gt 0 ]] || return 0
        apt_get update
    fi
    if ! has_candidate llvm-22-dev; then
        echo "install-deps.sh: this apt offers no LLVM 22; taking 19"
        version=19
        has_candidate llvm-19-dev || { echo "install-deps.sh: this apt offers neither LLVM 22 nor 19" >&2; exit 1; }
    fi
    mapfile -t missing < <(missing_of "${packages[@]}" $(llvm_packages $version))
    [[ ${#missing[@]} -gt 0 ]] || return 0

    echo "installing: ${missing[*]}"
    if ! apt_get install --no-install-recommends "${missing[@]}" 2>/dev/null; then
        apt_get update   # the lists may be older than the archive
        apt_get install --no-install-recommends "${missing[@]}"
    fi
}
main "$@"
