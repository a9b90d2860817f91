#!/bin/bash
# Builds the image of the Dockerfile for a Debian release without pulling any image, runs the demo's checks with the
# programs in it, and has compose.yaml read. Needs root, debootstrap, buildah, podman-compose; namespaces, as the demo does.
#
# The base is made by debootstrap. No image with Rust can be made so: the programs are built outside, for Debian 12 on
# this machine, for Debian 13 against the packages that rte-rs/check-dpdk-24.11.sh unpacks, and the Dockerfile's first
# stage finds them. Prints "skipped: why" and ends with 0 where the packages can't be had.
#
# With `whole` the Dockerfile is built as it stands, first stage included, which takes some minutes more: local images
# have the names of those that it begins from, and the one with Rust is the base with this machine's toolchain.
#
# Usage: package/image.sh bookworm|trixie [PROFILE]   (release, or debug)
#        package/image.sh bookworm whole
set -euo pipefail
cd "$(dirname "$0")/.."
suite=${1:?which release: bookworm or trixie}
profile=${2:-release}
whole=
[ "$profile" != whole ] || { whole=yes profile=release; }
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
work=$target/image
image=localhost/sluice:$suite

skip() { echo "skipped: $*"; exit 0; }
fail() { echo "package/image.sh: $*" >&2; exit 1; }
for tool in buildah debootstrap podman-compose; do
    command -v $tool >/dev/null || fail "$tool is not installed: run ./setup.sh image"
done
export BUILDAH_ISOLATION=chroot
# compose.yaml, read by who would start it: the command for each container, without starting any.
started=$(podman-compose --dry-run --podman-path /bin/true -f compose.yaml up -d 2>&1 | grep -c ' run --name=') || true
[ "$started" = 2 ] || fail "compose.yaml makes $started containers by podman-compose --dry-run up, not 2"

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
case $suite$whole in
bookwormyes) ;;
bookworm)
    cargo build --quiet --profile "${profile/debug/dev}" -p dataplane -p control --bins
    built=$target/$profile
    ;;
trixie)
    rte-rs/check-dpdk-24.11.sh "$target/dpdk-24.11" --programs "$profile" | tee "$work/log"
    ! grep -q '^skipped' "$work/log" || exit 0
    built=$target/dpdk-24.11/build/$profile
    ;;
*) fail "release $suite $whole: bookworm and trixie are known, whole with bookworm only" ;;
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
base_name=localhost/base:$suite builder_name=localhost/builder:$suite
if [ "$whole" ]; then
    # The names that the Dockerfile has.
    base_name=$(sed -n 's/^ARG RUNTIME=//p' Dockerfile) builder_name=$(sed -n 's/^ARG BUILDER=//p' Dockerfile)
fi
seed=$(buildah from scratch)
buildah add -q "$seed" "$base" / >/dev/null
buildah commit -q "$seed" "$base_name" >/dev/null
if [ "$whole" ]; then
    # As in the image with Rust: its folder in PATH. Crates come from whom this machine trusts.
    buildah add -q "$seed" "$(rustc --print sysroot)" /usr/local/rust >/dev/null
    cat /etc/ssl/certs/ca-certificates.crt /usr/local/share/ca-certificates/*.crt >"$work/trusted.crt" 2>/dev/null || true
    buildah add -q "$seed" "$work/trusted.crt" /usr/local/rust/trusted.crt >/dev/null
    buildah config --env CARGO_HTTP_CAINFO=/usr/local/rust/trusted.crt --env PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$seed"
else
    mkdir -p "$work/bin"
    for program in sluice-dataplane sluiced sluice; do
        strip -o "$work/bin/$program" "$built/$program"
    done
    buildah add -q "$seed" "$work/bin" /out >/dev/null
fi
buildah commit -q "$seed" "$builder_name" >/dev/null
buildah rm "$seed" >/dev/null

if [ "$whole" ]; then
    buildah bud --pull-never --format docker --tag "$image" . >"$work/log" 2>&1 || {
        tail -n 30 "$work/log"
        fail "the Dockerfile can't be built"
    }
    sed -n 's/^\(\[[0-9/]*\] \)\{0,1\}STEP /  /p' "$work/log"
else
    # What the Dockerfile takes where nothing is to be built.
    rm -rf "$work/context" && mkdir -p "$work/context"
    cp -a Dockerfile .dockerignore conf package "$work/context"
    buildah bud --quiet --format docker --build-arg "BUILDER=$builder_name" --build-arg "RUNTIME=$base_name" \
        --tag "$image" "$work/context" >/dev/null
fi
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
