#!/bin/bash
# Builds the image of the Dockerfile for a Debian release without pulling any image, and runs the demo's checks with the
# programs in it. Needs root, debootstrap and buildah; namespaces, as the demo does.
#
# The base is made by debootstrap. No image with Rust can be made so: the programs are built outside, for Debian 12 on
# this machine, for Debian 13 against the packages that rte-rs/check-dpdk-24.11.sh unpacks, and the Dockerfile's first
# stage finds them. Prints "skipped: why" and ends with 0 where the packages can't be had.
#
# Usage: package/image.sh bookworm|trixie [PROFILE]   (release, or debug)
set -euo pipefail
cd "$(dirname "$0")/.."
suite=${1:?which release: bookworm or trixie}
profile=${2:-release}
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
work=$target/image
image=localhost/sluice:$suite

skip() { echo "skipped: $*"; exit 0; }
fail() { echo "package/image.sh: $*" >&2; exit 1; }
for tool in buildah debootstrap; do
    command -v $tool >/dev/null || fail "$tool is not installed: run ./setup.sh image"
done
export BUILDAH_ISOLATION=chroot
# Its own store, so that all of it can go in the end.
store=$work/store
buildah() { command buildah --storage-driver vfs --root "$store" --runroot "$work/run" "$@"; }

mirror=$(grep -rhoE 'https?://[^ ]*/debian/? *$|https?://[^ ]*/debian/? ' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null |
    head -n 1 | tr -d ' ' || true)
[ -n "$mirror" ] || skip "/etc/apt names no Debian mirror"
mkdir -p "$work"
container=
end() {
    if [ -n "$container" ]; then
        for place in tmp dev proc sys; do
            umount -l "$root/$place" 2>/dev/null || true
        done
        buildah umount "$container" >/dev/null || true
        buildah rm "$container" >/dev/null || true
    fi
    # Never through a mount into this machine's own /tmp or /dev.
    if ! grep -q " $store" /proc/mounts; then
        rm -rf --one-file-system "$store" "$work/run" "$work/context" "$work/bin"
    fi
}
trap end EXIT

# The programs.
case $suite in
bookworm)
    cargo build --quiet --profile "${profile/debug/dev}" -p dataplane -p control --bins
    built=$target/$profile
    ;;
trixie)
    rte-rs/check-dpdk-24.11.sh "$target/dpdk-24.11" --programs "$profile" | tee "$work/log"
    ! grep -q '^skipped' "$work/log" || exit 0
    built=$target/dpdk-24.11/build/$profile
    ;;
*) fail "release $suite: bookworm and trixie are known" ;;
esac

# The base, kept for the next time.
base=$work/$suite.tar
if [ ! -e "$base" ]; then
    debootstrap --variant=minbase "$suite" "$work/base" "$mirror" >"$work/log" 2>&1 || {
        tail -n 3 "$work/log"
        rm -rf "$work/base"
        skip "debootstrap of $suite from $mirror failed"
    }
    rm -rf "$work"/base/var/cache/apt/archives/*.deb "$work"/base/var/lib/apt/lists/*
    tar -C "$work/base" -cf "$base.new" .
    mv "$base.new" "$base"
    rm -rf "$work/base"
fi
seed=$(buildah from scratch)
buildah add -q "$seed" "$base" / >/dev/null
buildah commit -q "$seed" "localhost/base:$suite" >/dev/null
mkdir -p "$work/bin"
for program in sluice-dataplane sluiced sluice; do
    strip -o "$work/bin/$program" "$built/$program"
done
buildah add -q "$seed" "$work/bin" /out >/dev/null
buildah commit -q "$seed" "localhost/builder:$suite" >/dev/null
buildah rm "$seed" >/dev/null

# What the Dockerfile takes where nothing is to be built.
rm -rf "$work/context" && mkdir -p "$work/context"
cp -a Dockerfile .dockerignore conf package "$work/context"
buildah bud --quiet --format docker --build-arg "BUILDER=localhost/builder:$suite" --build-arg "RUNTIME=localhost/base:$suite" \
    --tag "$image" "$work/context" >/dev/null
echo "built $image: $(buildah images --format '{{.Size}}' "$image")"

# The demo, with the director's programs in the image's file system.
container=$(buildah from "$image")
root=$(buildah mount "$container")
buildah run "$container" -- sluice --version
for place in tmp dev proc sys; do
    mount --rbind "/$place" "$root/$place"
    # Else what is unmounted there goes here too.
    mount --make-rslave "$root/$place"
done
rm -rf "$work/bin" && mkdir -p "$work/bin"
for program in sluice-dataplane sluiced sluice; do
    printf '#!/bin/sh\nexec chroot %s /usr/bin/%s "$@"\n' "$root" "$program" >"$work/bin/$program"
    chmod 755 "$work/bin/$program"
done
[ -x "$target/$profile/demo" ] || cargo build --quiet --profile "${profile/debug/dev}" -p lab --bins
ln -s "$target/$profile"/lab-* "$work/bin/"
SLUICE_BIN_DIR=$work/bin "$target/$profile/demo"
echo "passed: the demo with the programs of $image"
