#!/usr/bin/env bash
# Make a small guest: Debian's cloud kernel, a busybox with dropbear that asks the metadata service who it is, and an empty disk.
#
#   guest.sh FOLDER      writes vmlinuz, initrd and disk there
set -euo pipefail

folder=$1
here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

# The kernel is only unpacked: its package would bring the tools that make an initramfs.
name=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
apt-get -qq -o APT::Sandbox::User=root download "$name"
dpkg-deb --extract linux-image-*.deb kernel
mkdir -p "$folder" kernel/usr
[ -e kernel/usr/lib ] || ln -s ../lib kernel/usr/lib
cp kernel/boot/vmlinuz-* "$folder/vmlinuz"
version=$(basename kernel/lib/modules/*)
depmod --basedir "$work/kernel" "$version"

mkdir -p ram/bin ram/dev ram/proc ram/sys ram/run ram/tmp ram/data ram/www ram/var/run ram/var/log ram/etc/acpi/PWRF ram/etc/dropbear \
    ram/root/.ssh ram/modules
cp /bin/busybox /usr/sbin/dropbear /usr/bin/dropbearkey ram/bin/
ln -s busybox ram/bin/sh
ldd /usr/sbin/dropbear /usr/bin/dropbearkey | grep -o '/[^ :]*' | grep -v '^/usr/s\?bin/dropbear' | sort -u | while read -r library; do
    mkdir -p "ram${library%/*}"
    cp -L "$library" "ram$library"
done
# dropbear looks up root through it
cp -L /lib/x86_64-linux-gnu/libnss_files.so.2 ram/lib/x86_64-linux-gnu/ 2> /dev/null || true

add_module() {
    local file needed
    file=$(modinfo --basedir "$work/kernel" -k "$version" -F filename "$1" 2> /dev/null || true)
    # built in, or unknown to this kernel
    case $file in /*) ;; *) return 0 ;; esac
    [ -e "$file" ] || file=$work/kernel$file
    for needed in $(modinfo --basedir "$work/kernel" -k "$version" -F depends "$1" | tr , ' '); do add_module "$needed"; done
    if ! grep -qx "${file##*/}" ram/modules/order; then
        cp "$file" ram/modules/
        echo "${file##*/}" >> ram/modules/order
    fi
}
: > ram/modules/order
for module in virtio_pci virtio_net virtio_blk virtio_rng ext4 crc32c_generic button evdev; do add_module "$module"; done

cp "$here/init" ram/init
cp "$here/dhcp" ram/bin/dhcp
cp "$here/power-button" ram/etc/acpi/PWRF/00000080
chmod 755 ram/init ram/bin/dhcp ram/etc/acpi/PWRF/00000080
chmod 700 ram/root ram/root/.ssh
echo 'root:x:0:0:root:/root:/bin/sh' > ram/etc/passwd
echo 'root:x:0:' > ram/etc/group
echo 'root:*:19000:0:99999:7:::' > ram/etc/shadow
echo /bin/sh > ram/etc/shells
echo 'passwd: files' > ram/etc/nsswitch.conf
(cd ram && find . | cpio --quiet --create --format=newc) | gzip -9 > "$folder/initrd"

truncate -s 16M "$folder/disk"
mke2fs -q -t ext4 -F -L data "$folder/disk"
chmod 644 "$folder"/*
