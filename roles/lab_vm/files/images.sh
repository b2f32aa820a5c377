#!/usr/bin/env bash
# Make what the lab's virtual machines boot, without any image registry:
#
#   vmlinuz, initrd   Debian's cloud kernel, and a busybox with dropbear that is a whole small guest,
#                     or the first step of one that has a disk of its own
#   debian.qcow2      Debian with systemd, sshd, Python and what faults need
#
#   images.sh FOLDER SUITE PACKAGE,PACKAGE,... [MIRROR]
set -euo pipefail

folder=$1 suite=$2 packages=$3 mirror=${4:-}
here=$(dirname "$(readlink -f "$0")")

# Two labs that come up at once need them only once.
exec 9< "$0"
flock 9
if [ -e "$folder/complete" ]; then exit 0; fi

work=$(mktemp -d /var/tmp/faultline-vm.XXXXXX)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

# ---- the disk

mmdebstrap --quiet --variant=minbase --include="$packages" \
    --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --customize-hook="'$here/image/customize.sh' \"\$1\"" \
    "$suite" tree ${mirror:+"$mirror"}
mv tree/kernel .
mv kernel/boot/vmlinuz-* vmlinuz
cp -a kernel/lib/modules tree/usr/lib/
version=$(basename kernel/lib/modules/*)
chroot tree depmod "$version"
mke2fs -q -t ext4 -L root -d tree disk.raw 4G

# ---- the initramfs

mkdir -p ram/bin ram/dev ram/proc ram/sys ram/run ram/tmp ram/etc/acpi/PWRF ram/etc/dropbear ram/root/.ssh ram/modules ram/seed ram/disk
cp /bin/busybox /usr/sbin/dropbear ram/bin/
ln -s busybox ram/bin/sh
ldd /usr/sbin/dropbear | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "ram${library%/*}"
    cp -L "$library" "ram$library"
done

add_module() {
    local file needed
    file=$(chroot tree modinfo -k "$version" -F filename "$1" 2> /dev/null || true)
    # built in, or unknown to this kernel
    if [ "${file:0:1}" != / ]; then return 0; fi
    for needed in $(chroot tree modinfo -k "$version" -F depends "$1" | tr , ' '); do add_module "$needed"; done
    if ! grep -qx "${file##*/}" ram/modules/order; then
        cp "tree$file" ram/modules/
        echo "${file##*/}" >> ram/modules/order
    fi
}
: > ram/modules/order
for name in virtio_pci virtio_net virtio_blk virtio_rng ext4 crc32c_generic button evdev; do add_module "$name"; done

cp "$here/image/init" ram/init
cp "$here/image/power-button" ram/etc/acpi/PWRF/00000080
chmod 755 ram/init ram/etc/acpi/PWRF/00000080
echo 'root:x:0:0:root:/root:/bin/sh' > ram/etc/passwd
echo 'root:x:0:' > ram/etc/group
echo 'root:*:19000:0:99999:7:::' > ram/etc/shadow
echo /bin/sh > ram/etc/shells
# not compressed: an emulated machine would take longer to unpack it than it saves
(cd ram && find . | cpio --quiet --create --format=newc) > initrd

mkdir -p "$folder"
qemu-img convert -O qcow2 disk.raw "$folder/debian.qcow2"
cp vmlinuz initrd "$folder/"
touch "$folder/complete"
