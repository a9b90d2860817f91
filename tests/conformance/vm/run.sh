#!/usr/bin/env bash
# Boots the reference with the scenarios of a folder (files of lab-lockstep's events, run in the order of their names)
# and prints what it says. Usage: run.sh FOLDER SCENARIOS
# The machine's clock counts instructions, a nanosecond each, and jumps over idle time: a quarter of an hour takes no
# time, and a run has the same moments whatever else this computer does.
set -euo pipefail
folder=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/scenarios"
cp "$2"/* "$scratch/scenarios/"
(cd "$scratch" && find scenarios -print0 | sort -z | cpio --quiet -0 -o -H newc > scenarios.cpio)
cat "$folder/base.cpio" "$scratch/scenarios.cpio" > "$scratch/initrd"
timeout "${REFERENCE_TIMEOUT:-1800}" qemu-system-x86_64 \
    -accel tcg,thread=single,tb-size=256 -icount shift=0,sleep=off -rtc base=2026-01-01,clock=vm -seed 1 \
    -cpu max,-rdrand,-rdseed -m 512 -smp 1 -nic none -kernel "$folder/vmlinuz" -initrd "$scratch/initrd" \
    -append "console=ttyS0 quiet panic=-1 random.trust_cpu=off mitigations=off nokaslr" \
    -display none -serial stdio -monitor none -no-reboot < /dev/null 2> "$scratch/errors" | tr -d '\r' \
    || { cat "$scratch/errors" >&2; exit 1; }
