#!/bin/sh
# Makes the Debian packages sluice and sluice-ipvsadm out of programs that are built: target/debian/*.deb.
# Usage: package/deb.sh [PROFILE]   (release, or debug for a trial)
set -eu
cd "$(dirname "$0")/.."
profile=${1:-release}
target=${CARGO_TARGET_DIR:-target}

# Cargo has another name for the profile of target/debug.
cargo_profile=$profile
[ "$profile" != debug ] || cargo_profile=dev

made=package/made
rm -rf "$made" "$target/debian"
mkdir -p "$made/man" "$made/completions"
"$target/$profile/sluice" man "$made/man"
"$target/$profile/sluice-dataplane" man "$made/man"
"$target/$profile/sluice" completions bash >"$made/completions/sluice.bash"
"$target/$profile/sluice" completions zsh >"$made/completions/_sluice"
"$target/$profile/sluice" completions fish >"$made/completions/sluice.fish"

# Reproducible: the time of the last change, not of the build.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || date +%s)
export SOURCE_DATE_EPOCH
for variant in "" ipvsadm; do
    cargo deb --strip --quiet --no-build --profile "$cargo_profile" ${variant:+--variant=$variant} --output "$target/debian/"
done
ls "$target"/debian/*.deb
