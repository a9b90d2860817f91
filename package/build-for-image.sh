#!/bin/sh
# Builds the programs into /out, in the Dockerfile's first stage. Where they are in /out already there is nothing to do.
set -eu
[ ! -x /out/sluice-dataplane ] || exit 0
apt-get update
apt-get install -y --no-install-recommends gcc libc6-dev make pkg-config libdpdk-dev libclang-dev libpcap-dev
cargo build --release --locked --package dataplane --package control --bins
install -D -t /out target/release/sluice-dataplane target/release/sluiced target/release/sluice
strip /out/*
