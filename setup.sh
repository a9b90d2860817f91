#!/usr/bin/env bash
# Installs what Sluice's build, demo and tests need on Debian 12 and is not there yet; says what it installs.
# Usage: ./setup.sh [demo|test|bench|conformance|lint|deb|image|all]   (default: test, which needs a little more than demo)
set -euo pipefail
cd "$(dirname "$0")"

purpose=${1:-test}
build_packages=(ca-certificates gcc libc6-dev make pkg-config libdpdk-dev dpdk libclang-dev libpcap-dev)
network_packages=(iproute2 procps curl nginx-light)
test_packages=(socat iputils-ping vsftpd lftp prometheus valgrind chromium chromium-driver bird2 frr keepalived systemd tshark)
bench_packages=(dpdk-dev librsvg2-bin fonts-dejavu-core)
deb_packages=(lintian debootstrap)
image_packages=(buildah debootstrap binutils podman-compose)
conformance_packages=(qemu-system-x86 busybox-static cpio kmod ipvsadm)
# The newest that Rust 1.90 builds.
nextest=0.9.128
cargo_deb=3.8.0

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo > /dev/null || fail "this user is not root and there is no sudo: run ./setup.sh as root"
    as_root=(sudo)
fi

missing_packages() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2> /dev/null)" = installed ] || printf '%s\n' "$package"
    done
}

# A package that brings a service must not start it here: the demo starts the servers it needs itself, in namespaces.
install_packages() {
    local policy=/usr/sbin/policy-rc.d own_policy=no service
    if [ ! -e "$policy" ]; then
        own_policy=yes
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" > /dev/null
        "${as_root[@]}" chmod 755 "$policy"
        trap '"${as_root[@]}" rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" > /dev/null
    if [ "$own_policy" = yes ]; then
        "${as_root[@]}" rm -f "$policy"
        trap - EXIT
    fi
    [ -d /run/systemd/system ] || return 0
    for service in nginx vsftpd prometheus bird frr keepalived; do
        case " $* " in *" $service "* | *" $service-light "* | *" ${service}2 "*) ;; *) continue ;; esac
        "${as_root[@]}" systemctl disable --quiet "$service"
        say "$service is installed but its service is off, also after a reboot"
    done
}

check_rust() {
    command -v cargo > /dev/null || fail "cargo not found: install Rust (https://rustup.rs), 1.90 or later"
    local version
    version=$(rustc --version | cut -d' ' -f2)
    printf '1.90.0\n%s\n' "$version" | sort -CV || fail "Rust $version is too old: 1.90 or later is needed (rustup update)"
}

check_kernel() {
    if [ ! -c /dev/net/tun ]; then
        "${as_root[@]}" modprobe tun 2> /dev/null || say "this kernel has no TUN/TAP device (/dev/net/tun): demo and network tests will fail"
    fi
}

check_rust
packages=("${build_packages[@]}" "${network_packages[@]}")
if [[ $purpose = @(test|all) ]]; then packages+=("${test_packages[@]}"); fi
if [[ $purpose = @(bench|all) ]]; then packages+=("${bench_packages[@]}"); fi
if [[ $purpose = @(conformance|all) ]]; then packages+=("${conformance_packages[@]}"); fi
if [[ $purpose = @(deb|all) ]]; then packages+=("${deb_packages[@]}"); fi
if [[ $purpose = @(image|all) ]]; then packages+=("${image_packages[@]}"); fi
mapfile -t missing < <(missing_packages "${packages[@]}")
if [ ${#missing[@]} -gt 0 ]; then
    command -v apt-get > /dev/null || fail "this is not Debian: install what Debian calls ${missing[*]} and run this again"
    say "installing ${missing[*]}"
    install_packages "${missing[@]}"
fi
pkg-config --exists 'libdpdk >= 22.11' || fail "DPDK 22.11 or later is needed, pkg-config finds $(pkg-config --modversion libdpdk)"
check_kernel

# EAL starts once a process, so the tests need a runner that gives each test a process of its own.
if [[ $purpose = @(test|all) ]] && ! cargo nextest --version > /dev/null 2>&1; then
    say "installing cargo-nextest $nextest (built from source, some minutes)"
    cargo install --quiet --locked --version "$nextest" cargo-nextest
fi
if [[ $purpose = @(deb|all) ]] && ! cargo deb --version > /dev/null 2>&1; then
    say "installing cargo-deb $cargo_deb (built from source, some minutes)"
    cargo install --quiet --locked --version "$cargo_deb" cargo-deb
fi
if [[ $purpose = @(lint|all) ]] && ! { cargo fmt --version && cargo clippy --version; } > /dev/null 2>&1; then
    command -v rustup > /dev/null || fail "cargo fmt or cargo clippy is missing, and there is no rustup to add them"
    say "adding rustfmt and clippy to the toolchain"
    rustup component add rustfmt clippy
fi
say "everything for 'make $purpose' is there"
