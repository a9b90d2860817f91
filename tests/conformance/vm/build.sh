#!/usr/bin/env bash
# Builds the virtual machine of the reference: Debian's cloud kernel with IPVS, busybox, bash, ipvsadm, iproute2 and our
# lab-lockstep, as a kernel and an initial file system without scenarios. `../../../setup.sh conformance` installs what
# it needs. Usage: build.sh FOLDER LOCKSTEP (the folder is made; what is there and still right is kept)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
lockstep=$(readlink -f "$2")

# What IPVS, the TAP devices and the marks (tc: match and set) are made of.
modules=(tun sch_ingress cls_flower act_skbedit ip_vs ip_vs_pe_sip)
for name in rr wrr lc wlc sed nq lblc lblcr dh sh mh fo ovf twos ftp; do modules+=("ip_vs_$name"); done

fail() { printf 'conformance: %s\n' "$*" >&2; exit 1; }

# The kernel: its package is kept, so that a later run is asked the same one. REFERENCE_KERNEL names another.
if ! compgen -G "$folder/linux-image-*.deb" > /dev/null; then
    package=${REFERENCE_KERNEL:-$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $2 }')}
    [ -n "$package" ] || fail "apt knows no linux-image-cloud-amd64: run apt-get update"
    download=$(mktemp -d)
    chmod 777 "$download"
    (cd "$download" && apt-get download -qq "$package") || fail "cannot download $package"
    mv "$download"/linux-image-*.deb "$folder/"
    rmdir "$download"
fi
if [ ! -d "$folder/kernel/lib/modules" ]; then
    dpkg -x "$folder"/linux-image-*.deb "$folder/kernel"
    cp "$folder"/kernel/boot/vmlinuz-* "$folder/vmlinuz"
fi
version=$(ls "$folder/kernel/lib/modules")
tree=$folder/kernel/lib/modules/$version
[ -e "$tree/modules.dep" ] || depmod -b "$folder/kernel" "$version"

lists=$here/../../../control/tests/ipvsadm
stamp=$(cat "$lockstep" "$0" "$here"/{init,director.sh,lists.sh} "$lists/record.sh" | sha256sum)
if [ "$(cat "$folder/stamp" 2> /dev/null)" = "$stamp" ]; then exit 0; fi

root=$folder/root
rm -rf "$root"
mkdir -p "$root"/{bin,proc,sys,dev,etc,tmp,scenarios,lists,usr,lib/modules}
ln -s ../bin "$root/usr/bin"
cp /bin/busybox "$root/bin/"
busybox --list | grep -vx busybox | while read -r applet; do ln -sf busybox "$root/bin/$applet"; done

# In the order in which they must be loaded, each once. Not every kernel has every scheduler.
for module in "${modules[@]}"; do
    modprobe -d "$folder/kernel" -S "$version" --show-depends "$module" 2> /dev/null || printf 'missing %s\n' "$module"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 } $1 == "missing" { print $2 > "/dev/stderr" }' \
    > "$folder/modules" 2> "$folder/missing"
while read -r file; do
    cp "$file" "$root/lib/modules/"
    basename "$file"
done < "$folder/modules" > "$root/lib/modules/order"

copy_program() {
    local program=$1 name=$2
    rm -f "$root/bin/$name"
    cp -L "$program" "$root/bin/$name"
    ldd "$program" 2> /dev/null | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p "$root$(dirname "$library")"
        cp -Ln "$library" "$root$library"
    done
}
for name in bash ip tc ipvsadm; do copy_program "$(readlink -f "$(command -v "$name")")" "$name"; done
for name in ipvsadm-save ipvsadm-restore; do install -m 755 "$(command -v "$name")" "$root/bin/"; done
copy_program "$lockstep" lab-lockstep
strip "$root/bin/lab-lockstep"
install -m 755 "$here/init" "$root/init"
install -m 644 "$here"/{director.sh,lists.sh} "$lists/record.sh" "$root/"
{
    printf 'Linux %s (%s), %s\n' "$version" "$(dpkg-deb -f "$folder"/linux-image-*.deb Version)" \
        "$(dpkg-query -W -f='ipvsadm ${Version}' ipvsadm)"
} > "$folder/reference"
(cd "$root" && find . -print0 | sort -z | cpio --quiet -0 -o -H newc > "$folder/base.cpio")
printf '%s\n' "$stamp" > "$folder/stamp"
