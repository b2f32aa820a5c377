#!/bin/sh
# Turn the installed packages into a node: customize.sh ROOT (called by mmdebstrap).
set -eu

root=$1
here=$(dirname "$(readlink -f "$0")")

# Debian enables what it installs. Here the roles decide what runs where.
chroot "$root" systemctl --quiet disable \
    epmd.service epmd.socket haproxy keepalived keystone mariadb memcached rabbitmq-server \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
    e2scrub_reap systemd-pstore getty@tty1 remote-fs.target
# What belongs to the machine and not to a container on it.
chroot "$root" systemctl --quiet mask \
    systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket \
    systemd-modules-load.service systemd-sysctl.service systemd-remount-fs.service \
    systemd-ask-password-console.path systemd-ask-password-wall.path console-getty.service

# A login without rights of its own, so that privilege escalation is tried for real.
chroot "$root" useradd --create-home --shell /bin/bash stack

cp --recursive --no-target-directory --no-preserve=ownership "$here/rootfs" "$root"
chmod 0755 "$root/usr/local/sbin/faultline-node"
chmod 0440 "$root/etc/sudoers.d/stack"
chroot "$root" systemctl --quiet enable faultline-node.service

# Each node makes its own of these at its first start.
rm -f "$root"/etc/ssh/ssh_host_*
: > "$root/etc/machine-id"
