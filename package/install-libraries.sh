#!/bin/sh
# Installs the Debian packages of the libraries that a program misses, DPDK's drivers, and what the image uses itself.
# Usage: install-libraries.sh PROGRAM
set -eu
# librte_bus_pci.so.23 is in librte-bus-pci23.
missing=$(ldd "$1" | sed -n 's/^\s*\(librte_[a-z0-9_]*\)\.so\.\([0-9]*\) => not found.*/\1\2/p' | tr _ - | sort -u)
apt-get update -qq
# librte-meta-net: every Ethernet driver, loaded at start; mempool and bus: what they use.
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    $missing librte-meta-net librte-meta-mempool librte-meta-bus iproute2 >/dev/null
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
left=$(ldd "$1" | grep 'not found' || true)
[ -z "$left" ] || { echo "$1 still misses: $left" >&2; exit 1; }
