#!/bin/sh
# Turn the installed packages into a guest: customize.sh ROOT (called by mmdebstrap).
set -eu

root=$1
here=$(dirname "$(readlink -f "$0")")

# The kernel is only unpacked: its package would bring the tools that make an initramfs, and the guests have one.
name=$(chroot "$root" apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
chroot "$root" sh -c 'cd /tmp && apt-get -qq download "$1"' sh "$name"
dpkg-deb --extract "$root"/tmp/linux-image-*.deb "$root/kernel"
rm "$root"/tmp/linux-image-*.deb

# Debian enables what it installs. Here the tests decide what runs.
chroot "$root" systemctl --quiet disable \
    memcached apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
    e2scrub_reap systemd-pstore systemd-timesyncd getty@tty1 remote-fs.target
chroot "$root" systemctl --quiet enable systemd-networkd
chroot "$root" systemctl --quiet mask systemd-networkd-wait-online
# Half of what an emulated machine would do until it is up.
chroot "$root" systemctl --quiet mask \
    dev-hugepages.mount dev-mqueue.mount kmod-static-nodes.service modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service \
    modprobe@efi_pstore.service modprobe@fuse.service modprobe@loop.service proc-sys-fs-binfmt_misc.automount serial-getty@ttyS0.service \
    sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    systemd-ask-password-console.path systemd-ask-password-wall.path systemd-binfmt.service systemd-modules-load.service \
    systemd-network-generator.service systemd-sysusers.service systemd-update-utmp.service

# A login without rights of its own, so that privilege escalation is tried for real.
chroot "$root" useradd --create-home --shell /bin/bash stack
echo 'stack ALL=(ALL) NOPASSWD: ALL' > "$root/etc/sudoers.d/stack"
chmod 0440 "$root/etc/sudoers.d/stack"

cp --recursive --no-target-directory --no-preserve=ownership "$here/rootfs" "$root"

# Each guest is given its own of these when it boots (init).
rm -f "$root"/etc/ssh/ssh_host_*
: > "$root/etc/machine-id"
