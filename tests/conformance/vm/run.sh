#!/usr/bin/env bash
# Boots the reference with what a folder has in `scenarios` (files of lab-lockstep's events) and `lists` (command lines of
# ipvsadm), run in the order of their names, and prints what it says. Usage: run.sh FOLDER ASKED
# The machine's clock counts instructions, a nanosecond each, and jumps over idle time: a quarter of an hour takes no
# time, and a run has the same moments whatever else this computer does.
set -euo pipefail
folder=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -r "$2"/{scenarios,lists} "$scratch/"
(cd "$scratch" && find scenarios lists -print0 | sort -z | cpio --quiet -0 -o -H newc > asked.cpio)
cat "$folder/base.cpio" "$scratch/asked.cpio" > "$scratch/initrd"
timeout "${REFERENCE_TIMEOUT:-1800}" qemu-system-x86_64 \
    -accel tcg,thread=single,tb-size=256 -icount shift=0,sleep=off -rtc base=2026-01-01,clock=vm -seed 1 \
    -cpu max,-rdrand,-rdseed -m 512 -smp 1 -nic none -kernel "$folder/vmlinuz" -initrd "$scratch/initrd" \
    -append "console=ttyS0 quiet panic=-1 random.trust_cpu=off mitigations=off nokaslr" \
    -display none -serial stdio -monitor none -no-reboot < /dev/null 2> "$scratch/errors" | tr -d '\r' \
    || { cat "$scratch/errors" >&2; exit 1; }
