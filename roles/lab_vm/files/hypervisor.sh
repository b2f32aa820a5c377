#!/usr/bin/env bash
# A libvirtd of the lab's own, and virtual machines in it. It lives in a mount namespace where libvirt's folders are the
# lab's: one that this machine may have, with its guests, is never touched.
#
#   hypervisor.sh up                                          libvirtd and two bridges; nothing happens if they are there
#   hypervisor.sh make NAME tiny|debian MEMORY_MIB [WORDS]    a guest, started; prints its number. WORDS: for its kernel
#   hypervisor.sh start NAME                                  starts one that is off, as after a crash of this machine; says so
#   hypervisor.sh remove NAME                                 takes it away with its disks
#   hypervisor.sh leave                                       takes guests, libvirtd and bridges away; only what is of this lab
#   hypervisor.sh down                                        the same, and the lab's folder
#
# FAULTLINE_VM_DIR     the lab's folder: keys, disks, libvirt's folders
# FAULTLINE_VM_IMAGES  what images.sh has made
# FAULTLINE_VM_RUN     libvirtd's sockets and PID, and which lab it is of ("dir", by roles/lab/files/labs.py)
# FAULTLINE_VM_BRIDGES the names of the two bridges
# FAULTLINE_VM_NETS    the first three numbers of the two networks, as "10.75.0 10.76.0"
set -euo pipefail
export LC_ALL=C

dir=$FAULTLINE_VM_DIR
images=${FAULTLINE_VM_IMAGES:-}
run=${FAULTLINE_VM_RUN:-/run/faultline-vm}
read -r first second <<< "${FAULTLINE_VM_NETS:-10.75.0 10.76.0}"
read -r -a bridges <<< "${FAULTLINE_VM_BRIDGES:-fault-vm0 fault-vm1}"
export LIBVIRT_DEFAULT_URI="qemu+unix:///system?socket=$run/libvirt/libvirt-sock"

# workers run side by side
lock() {
    exec 8> "$dir/lock"
    flock 8
}

unlock() {
    exec 8>&-
}

answers() {
    timeout 10 virsh version > /dev/null 2>&1
}

accelerator() {
    # a /dev/kvm that can be opened may still boot no guest, and libvirt believes the device: a guest is asked
    local noted="$dir/accelerator"
    if [ ! -e "$noted" ]; then
        if [ -w /dev/kvm ] && timeout 20 qemu-system-x86_64 -accel kvm -machine q35 -m 128 -nodefaults -display none -no-reboot \
            -serial stdio -kernel "$images/vmlinuz" -initrd "$images/initrd" -append 'console=ttyS0 quiet' 2>&1 < /dev/null |
            grep -q 'faultline: up'; then
            echo kvm > "$noted"
        else
            echo qemu > "$noted"
        fi
    fi
    cat "$noted"
}

bridge() {
    local name=$1 address=$2
    if [ ! -e "/sys/class/net/$name" ]; then
        ip link add "$name" type bridge
        ip address add "$address" dev "$name"
        ip link set "$name" up
    fi
    # Docker drops what is forwarded, and with br_netfilter that is what goes from guest to guest as well
    if command -v iptables > /dev/null && ! iptables -C FORWARD -i "$name" -o "$name" -j ACCEPT 2> /dev/null; then
        iptables -I FORWARD -i "$name" -o "$name" -j ACCEPT
    fi
}

start_libvirtd() {
    local folder
    mkdir -p "$run/libvirt" "$dir"/libvirt/{etc/qemu,lib,log,cache} "$dir/disks"
    cat > "$dir/libvirt/etc/qemu.conf" << 'A'
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
max_core = 0
stdio_handler = "file"
A
    cat > "$dir/libvirt/etc/libvirtd.conf" << 'A'
unix_sock_rw_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
A
    for folder in /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt /run/libvirt; do mkdir -p "$folder"; done
    # 8 is the lock, which is not for daemons
    unshare --mount --propagation private bash -c '
        set -e
        mount --bind "$1/libvirt/etc" /etc/libvirt
        mount --bind "$1/libvirt/lib" /var/lib/libvirt
        mount --bind "$1/libvirt/log" /var/log/libvirt
        mount --bind "$1/libvirt/cache" /var/cache/libvirt
        mount --bind "$2/libvirt" /run/libvirt
        # it wants to know its own default user, even where another is configured; no package of ours brings it
        for table in passwd group; do
            getent "$table" libvirt-qemu > /dev/null && continue
            cp "/etc/$table" "$1/libvirt/$table"
            if [ "$table" = passwd ]; then entry=libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin; else entry=libvirt-qemu:x:64055:; fi
            echo "$entry" >> "$1/libvirt/$table"
            mount --bind "$1/libvirt/$table" "/etc/$table"
        done
        exec libvirtd --daemon --config /etc/libvirt/libvirtd.conf --pid-file "$2/libvirtd.pid"
    ' bash "$dir" "$run" 8>&- > "$dir/libvirt/start.log" 2>&1 || { cat "$dir/libvirt/start.log" >&2; exit 1; }
    for _ in $(seq 120); do
        if answers; then return 0; fi
        sleep 0.5
    done
    echo "libvirtd does not answer; see $dir/libvirt/start.log" >&2
    exit 1
}

up() {
    mkdir -p -m 700 "$dir"
    lock
    bridge "${bridges[0]}" "$first.1/24"
    bridge "${bridges[1]}" "$second.1/24"
    if [ ! -e "$dir/id_ed25519" ]; then ssh-keygen -q -t ed25519 -N '' -C faultline-vm -f "$dir/id_ed25519"; fi
    if ! answers; then start_libvirtd; fi
    accelerator > /dev/null
    unlock
}

number() {
    # the lowest that nobody has
    local count
    mkdir -p "$dir/numbers"
    for count in $(seq 11 99); do
        if mkdir "$dir/numbers/$count" 2> /dev/null; then
            echo "$count"
            return
        fi
    done
    echo 'no number is free for one more guest' >&2
    exit 1
}

make() {
    local name=$1 kind=$2 memory=$3 words=${4:-} home="$dir/disks/$1" mine disks root='' agent='' how emulated='' tap=${bridges[0]##*-}
    mine=$(number)
    # libvirtd would count for itself, and so would that of another lab
    tap=${tap:0:9}-$mine
    rm -rf "$home"
    mkdir -p "$home/seed"
    echo "$mine" > "$home/number"
    ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$home/seed/ssh_host_ed25519_key"
    dropbearconvert openssh dropbear "$home/seed/ssh_host_ed25519_key" "$home/seed/dropbear_key" > /dev/null 2>&1
    cp "$dir/id_ed25519.pub" "$home/seed/authorized_keys"
    printf 'name=%s address=%s/24 gateway=%s second=%s/24\n' "$name" "$first.$mine" "$first.1" "$second.$mine" > "$home/seed/guest"
    mke2fs -q -t ext4 -d "$home/seed" "$home/seed.raw" 4M > /dev/null
    qemu-img convert -O qcow2 "$home/seed.raw" "$home/seed.qcow2"
    rm "$home/seed.raw"
    disks="<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='unsafe'/><source file='$home/seed.qcow2'/>
      <target dev='vda' bus='virtio'/></disk>"
    if [ "$kind" = debian ]; then
        qemu-img create -q -f qcow2 -F qcow2 -b "$images/debian.qcow2" "$home/root.qcow2"
        disks="$disks<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='unsafe'/><source file='$home/root.qcow2'/>
      <target dev='vdb' bus='virtio'/></disk>"
        root=faultline.root=/dev/vdb
        agent="<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    fi
    how=$(accelerator)
    # What the emulator translates of a page is kept for every address at which a process had it, and each write to the page looks through it all:
    # where libraries move from process to process a guest hangs for minutes once their memory is used again, as after a crash or out of memory.
    if [ "$how" = qemu ]; then
        words="$words norandmaps nokaslr"
        emulated="<tcg><tb-cache unit='MiB'>128</tb-cache></tcg>"
    fi
    cat > "$home/domain.xml" << A
<domain type='$how'><name>$name</name><memory unit='MiB'>$memory</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type><kernel>$images/vmlinuz</kernel><initrd>$images/initrd</initrd>
    <cmdline>console=ttyS0 quiet mitigations=off tsc=reliable no_timer_check random.trust_cpu=on net.ifnames=0
 faultline.seed=/dev/vda $root $words</cmdline></os>
  <features><acpi/>$emulated</features>
  <clock offset='utc'/><on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>preserve</on_crash>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
    $disks
    <interface type='bridge'><mac address='52:54:00:fa:00:$(printf %02x "$mine")'/><source bridge='${bridges[0]}'/><target dev='$tap-0'/><model type='virtio'/></interface>
    <interface type='bridge'><mac address='52:54:00:fb:00:$(printf %02x "$mine")'/><source bridge='${bridges[1]}'/><target dev='$tap-1'/><model type='virtio'/></interface>
    <serial type='file'><source path='$home/console.log'/></serial>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    $agent<memballoon model='none'/></devices></domain>
A
    virsh --quiet define "$home/domain.xml" > /dev/null
    virsh --quiet start "$name" > /dev/null
    echo "$mine"
}

start() {
    if [ "$(virsh --quiet domstate "$1")" = 'shut off' ]; then
        virsh --quiet start "$1" > /dev/null
        echo started
    fi
}

remove() {
    local name=$1 home="$dir/disks/$1"
    virsh --quiet destroy "$name" > /dev/null 2>&1 || true
    virsh --quiet undefine --snapshots-metadata "$name" > /dev/null 2>&1 || true
    if [ -e "$home/number" ]; then rmdir "$dir/numbers/$(cat "$home/number")" || true; fi
    rm -rf "$home"
}

ours() {
    # whether the run folder is of this lab; libvirtd of one that did not note it has the lab's configuration
    if [ -e "$run/dir" ]; then
        [ "$(cat "$run/dir")" = "$(realpath -m "$dir")" ]
    else
        [ "/proc/$(cat "$run/libvirtd.pid" 2> /dev/null)/root/etc/libvirt/qemu.conf" -ef "$dir/libvirt/etc/qemu.conf" ]
    fi
}

leave() {
    local name pid file
    if ! ours; then return 0; fi
    if answers; then
        for name in $(virsh --quiet list --all --name); do remove "$name"; done
    fi
    if [ -e "$run/libvirtd.pid" ]; then
        # by the pid that it wrote itself, and only if that still is a libvirtd
        pid=$(cat "$run/libvirtd.pid")
        if [ "$(cat "/proc/$pid/comm" 2> /dev/null)" = libvirtd ]; then
            kill "$pid"
            timeout 30 tail --pid="$pid" -f /dev/null || kill -KILL "$pid"
        fi
    fi
    # guests of a libvirtd that was killed
    for file in "$run"/libvirt/qemu/*.pid; do
        pid=$(cat "$file" 2> /dev/null || true)
        if [[ $(cat "/proc/${pid:-none}/comm" 2> /dev/null || true) = qemu-system-* ]]; then kill -KILL "$pid"; fi
    done
    for name in "${bridges[@]}"; do
        if command -v iptables > /dev/null; then iptables -D FORWARD -i "$name" -o "$name" -j ACCEPT 2> /dev/null || true; fi
        ip link delete "$name" 2> /dev/null || true
    done
    rm -rf "$run"
    # made for the namespace; one that holds something is somebody else's, and taking it away would unmount it from another lab
    if ! grep -qs ' /run/libvirt ' /proc/[0-9]*/mountinfo; then rmdir /run/libvirt 2> /dev/null || true; fi
}

down() {
    leave
    rm -rf "$dir"
}

"$@"
