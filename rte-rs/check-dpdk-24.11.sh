#!/bin/sh
# Builds dpdk-sys and rte-rs against DPDK 24.11, from the packages of Debian 13, on a machine with any DPDK or none.
# Fetches the packages from the mirror that apt uses here and unpacks them into a folder; nothing is installed.
# Prints "skipped: why" and ends with 0 where the packages can't be had.
# Usage: rte-rs/check-dpdk-24.11.sh [FOLDER [--programs PROFILE]]   (default: target/dpdk-24.11)
# --programs builds the director's programs too, into FOLDER/build/PROFILE (release or debug): they run on Debian 13.
set -eu

cd "$(dirname "$0")/.."
folder=${1:-${CARGO_TARGET_DIR:-target}/dpdk-24.11}
programs=
[ "${2:-}" != --programs ] || programs=${3:?which profile: release or debug}
suite=trixie

skip() {
    echo "skipped: $*"
    exit 0
}

for tool in apt-get dpkg-deb pkg-config; do
    command -v $tool >/dev/null || skip "$tool is not installed, so Debian's packages can't be unpacked"
done
architecture=$(dpkg --print-architecture)
mirror=$(grep -rhoE 'https?://[^ ]*/debian/? *$|https?://[^ ]*/debian/? ' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null |
    head -n 1 | tr -d ' ')
[ -n "$mirror" ] || skip "/etc/apt names no Debian mirror"

mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$folder/packages" "$folder/root"
folder=$(cd "$folder" && pwd)
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$folder/apt/sources.list"
: >"$folder/apt/status"

apt() {
    apt-get -q -o Dir::Etc::SourceList="$folder/apt/sources.list" -o Dir::Etc::SourceParts=- \
        -o Dir::State::Lists="$folder/apt/lists" -o Dir::State::Status="$folder/apt/status" \
        -o Dir::Cache="$folder/apt/cache" -o APT::Sandbox::User="$(id -un)" -o APT::Update::Error-Mode=any "$@"
}

if [ ! -e "$folder/unpacked" ]; then
    apt update >"$folder/apt/log" 2>&1 || skip "no package list of $suite from $mirror: $(tail -n 1 "$folder/apt/log")"
    # libdpdk-dev has the headers; its pkg-config file asks for those of the libraries that DPDK is built on. Without the shared
    # libpcap the linker would take the static one, which wants that release's C library.
    wanted=$(apt install --simulate --no-install-recommends libdpdk-dev 2>/dev/null |
        awk '/^Inst / && ($2 == "libdpdk-dev" || $2 ~ /-dev$/ || $2 ~ /^(librte-|libpcap0)/) { print $2 }')
    [ -n "$wanted" ] || skip "$suite has no libdpdk-dev for $architecture"
    # shellcheck disable=SC2086
    (cd "$folder/packages" && apt download $wanted) >"$folder/apt/log" 2>&1 ||
        skip "the packages can't be fetched from $mirror: $(tail -n 1 "$folder/apt/log")"
    for package in "$folder"/packages/*.deb; do
        dpkg-deb -x "$package" "$folder/root"
    done
    touch "$folder/unpacked"
fi

# Only what was unpacked counts, not what this machine has.
PKG_CONFIG_LIBDIR=$(find "$folder/root" -type d -name pkgconfig | paste -sd :)
export PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR="$folder/root"
version=$(pkg-config --modversion libdpdk) || skip "pkg-config does not find the unpacked libdpdk"
echo "DPDK $version of Debian $suite ($architecture)"
export CARGO_TARGET_DIR="$folder/build"
# The libraries ask for symbols of that release's C library, which is there where the programs run.
export RUSTFLAGS="-C link-arg=-Wl,--allow-shlib-undefined"
if [ -n "$programs" ]; then
    [ "$programs" = release ] || programs=dev
    cargo build --quiet --profile "$programs" -p dataplane -p control --bins
    echo "passed: the programs build against DPDK $version"
    exit 0
fi
# `check` and not `build` for the tests: their programs can't run here.
cargo build --quiet -p dpdk-sys -p rte-rs
cargo check --quiet -p rte-rs --all-targets
echo "passed: dpdk-sys and rte-rs build against DPDK $version"
