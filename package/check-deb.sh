#!/bin/sh
# Checks the packages that package/deb.sh made: lintian has nothing to say, they install in a Debian of their own with
# what they depend on, the programs run there, the conffiles stay at a removal and go at a purge.
# Prints "skipped: why" and ends with 0 for what a machine does not allow.
set -eu
cd "$(dirname "$0")/.."
target=$(realpath "${CARGO_TARGET_DIR:-target}")
fail() { echo "package/check-deb.sh: $*" >&2; exit 1; }

lintian --fail-on error,warning --no-tag-display-limit "$target"/debian/*.deb || fail "lintian complains: see above"
echo "passed: lintian"

if [ "$(id -u)" -ne 0 ]; then echo "skipped: installing the package needs root"; exit 0; fi
if ! command -v debootstrap >/dev/null; then echo "skipped: debootstrap is not installed"; exit 0; fi
mirror=$(grep -rhoE 'https?://[^ ]*/debian/? *$|https?://[^ ]*/debian/? ' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null |
    head -n 1 | tr -d ' ' || true)
[ -n "$mirror" ] || { echo "skipped: /etc/apt names no Debian mirror"; exit 0; }
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mkdir -p "$target/image"
base=$target/image/$suite.tar root=$target/image/installed
end() {
    umount -l "$root/proc" "$root/dev" "$root/sys" 2>/dev/null || true
    # Never through a mount into this machine's own /dev.
    if ! grep -q " $root/" /proc/mounts; then rm -rf --one-file-system "$root"; fi
}
trap end EXIT
if [ ! -e "$base" ]; then
    rm -rf "$root"
    debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$target/image/log" 2>&1 || {
        echo "skipped: debootstrap of $suite from $mirror failed: $(tail -n 1 "$target/image/log")"
        exit 0
    }
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
    tar -C "$root" -cf "$base.new" .
    mv "$base.new" "$base"
else
    mkdir -p "$root"
    tar -C "$root" -xf "$base"
fi
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
cp "$target"/debian/*.deb "$root/root/"
for place in proc sys; do mount --bind "/$place" "$root/$place"; done
mount --rbind /dev "$root/dev"
# Else what is unmounted there goes here too.
mount --make-rslave "$root/dev"
within() { chroot "$root" env DEBIAN_FRONTEND=noninteractive "$@"; }

within apt-get update -qq
within sh -c 'apt-get install -y -qq --no-install-recommends /root/sluice_*.deb /root/sluice-ipvsadm_*.deb >/root/log 2>&1' ||
    { tail -n 20 "$root/root/log"; fail "the packages can't be installed"; }
within sluice --version
within ipvsadm --version
within test -f /usr/share/man/man8/sluiced.8.gz
within test -f /usr/share/bash-completion/completions/sluice
within sluiced --check
# The dataplane on devices of no kind, up to the point where it is ready.
cat >"$root/root/null.toml" <<'END'
[dataplane]
workers = [1]
eal = ["--no-huge", "--no-pci", "--in-memory", "--lcores=0@0,1@0", "--file-prefix=sluice-check-deb"]
connections = 1000
idle = "sleep"
[[port]]
name = "null"
device = "net_null0"
addresses = ["10.0.0.1/24"]
[control]
socket = "/run/sluice/control.sock"
link = "/run/sluice.link"
END
within sh -ec '
    sluice-dataplane --config /root/null.toml >/root/dataplane.log 2>&1 & dataplane=$!
    sluiced --config /root/null.toml >/root/sluiced.log 2>&1 & control=$!
    tries=0
    until sluice status --check >/root/status 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { cat /root/*.log /root/status; kill $dataplane $control; exit 1; }
        sleep 0.2
    done
    cat /root/status
    sluice service list
    kill $dataplane $control
    wait $dataplane $control
' || fail "the installed programs do not work"
within sh -c 'apt-get remove -y -qq sluice sluice-ipvsadm >/dev/null 2>&1; test -f /etc/sluice/services.toml && ! test -e /usr/bin/sluice' ||
    fail "a removal leaves programs, or takes the configuration"
within sh -c 'apt-get purge -y -qq sluice >/dev/null 2>&1; ! test -e /etc/sluice' || fail "a purge leaves /etc/sluice"
echo "passed: installed, run, removed and purged in Debian $suite"
