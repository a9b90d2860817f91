#!/bin/sh
# Becomes systemd with Sluice's units and the journal, and nothing else: process 1 of the namespaces that it is started
# in (unshare). What it mounts, others do not see.
# Usage: boot.sh FOLDER BINARIES. FOLDER has the configuration, and a drop-in UNIT.conf for each unit.
set -eu
folder=$1 binaries=$2
units=$(cd "$(dirname "$0")/../../conf/systemd" && pwd)
system=/lib/systemd/system

mount --make-rprivate /
# Where the units do not hide it: not in /tmp, /root or /home.
mount -t tmpfs tmpfs /opt
mkdir /opt/bin /opt/etc
mount --bind "$binaries" /opt/bin
mount --bind "$folder" /opt/etc
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for own in /run /dev/shm /var/log; do
    mount -t tmpfs tmpfs "$own"
done

mkdir -p /run/systemd/system /run/lock
cp "$units"/*.service $system/systemd-journald.service $system/systemd-journald.socket /run/systemd/system/
for unit in sluice-dataplane sluiced; do
    mkdir "/run/systemd/system/$unit.service.d"
    cp "$folder/$unit.conf" "/run/systemd/system/$unit.service.d/test.conf"
done
for target in sysinit basic sockets multi-user laboratory; do
    printf '[Unit]\nDefaultDependencies=no\n' >"/run/systemd/system/$target.target"
done
cat >/run/systemd/system/shutdown.target <<'END'
[Unit]
DefaultDependencies=no
END
# This machine's own units and what generates units are not for this one: they clean /tmp, mount disks, start servers.
export SYSTEMD_UNIT_PATH=/run/systemd/system
mount -t tmpfs tmpfs /lib/systemd/system-generators
mount -t tmpfs tmpfs /tmp
test -s /etc/machine-id || { echo 0123456789abcdef0123456789abcdef >/run/machine-id && mount --bind /run/machine-id /etc/machine-id; }
export container=laboratory
exec /lib/systemd/systemd --system --unit=laboratory.target --log-target=journal --show-status=no
