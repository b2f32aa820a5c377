# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The residue oracle: everything about a host that a fault could leave changed, as lines, one thing each.

A test takes the lines before and after. What is ours has to be the same: what appeared is residue, what is gone was destroyed. Of the rest,
which others change as they like, only what was there before has to be there still. Lines say how things are, never how often or since when,
so that two looks at an untouched host give the same lines.
"""

from __future__ import annotations

import re
import time

# the host's end of a container's network is another one with each start
_PASSING = re.compile(r"\bveth[0-9a-f]{7}\b|/run/docker/netns/")
# run on the host itself by whatever way there is, never by the SSH that a fault may have broken
SCRIPT = r"""
# kinds of things that this host lacks say nothing
has() { command -v "$1" >/dev/null 2>&1; }

# systemd hears late of what engines mount, which is below; a unit that is stopped is none
if [ -d /run/systemd/system ]; then
    { ls /usr/lib/systemd/system /lib/systemd/system 2>/dev/null; echo --
      systemctl list-units --all --plain --no-legend --type=service,socket,timer,mount,scope; } | awk '
        !listed { if ($1 == "--") listed = 1; else packaged[$1]; next }
        $1 ~ /^(session-|user|systemd-|run-|init\.scope|docker-|libpod-|var-lib-(containers|docker)-)/ || $3 == "inactive" { next }
        { file = $1; sub(/@.*\./, "@.", file)
          print "unit", ($1 in packaged || file in packaged || $1 ~ /\.(mount|scope)$/ ? "package" : "node"), $1, $3, $4 }'
    find /etc/systemd /run/systemd -path '*/system*' -lname /dev/null 2>/dev/null | sed 's/^/masked /'
fi
ps -eo pid=,stat=,args= | awk '$2 ~ /^[Tt]/ {print "stopped", $0}'

# Docker's own resolver at 127.0.0.11 changes its ports
has nft && nft list ruleset | grep -vF 127.0.0.11 | sed -E 's/ (packets|bytes) [0-9]+//g' |
    awk '/^#/ { next } /^table/ { table = $2 " " $3 } { print "nft", table, $0 }'
# a table that is there and empty is one that somebody has looked at
for each in iptables-legacy ip6tables-legacy ebtables-legacy; do
    has $each-save && $each-save 2>/dev/null | grep -E '^-A|^:.* DROP' | sed -E "s/\[[0-9]+:[0-9]+\]//; s/^/$each /"
done
if has tc; then
    tc qdisc show | sed 's/^/qdisc /'
    for device in $(ls /sys/class/net); do
        tc class show dev "$device" | sed -E "s/^/class $device /"
        for parent in root ingress egress; do
            tc filter show dev "$device" $parent 2>/dev/null | sed "s/^/filter $device $parent /"
        done
    done
fi
if has ip; then
    ip -o -d link | sed -E 's/^[0-9]+: //; s/@if[0-9]+//; s/ (gso|gro|tso)_[a-z0-9_]+ [0-9]+//g; s/ [a-z_]+_timer +[0-9.]+//g; s/^/link /'
    ip -o address | sed -E 's/^[0-9]+: //; s/ (valid|preferred)_lft [0-9a-z]+//g; s/^/address /'
    ip nexthop show 2>/dev/null | sed 's/^/nexthop /'
    for family in -4 -6; do
        ip $family route show table all | sed -E "s/ expires [0-9]+sec//; s/^/route $family /"
        ip $family rule | sed "s/^/rule $family /"
        ip $family neighbour show nud permanent | sed "s/^/neighbour $family /"
    done
fi
# where anybody listens; what is above is given to clients as it comes
has ss && ss -Hltnu | awk '{ port = $5; sub(/.*:/, "", port); if (port + 0 < 32768 && $5 !~ /^127\.0\.0\.11:/) print "socket", $1, $5 }' | sort -u
# an overlay says uuid=on only when it is mounted for the first time
sed -E 's/^[0-9]+ [0-9]+ [0-9]+:[0-9]+ ([^ ]+ [^ ]+ [^ ]+).* - /mount \1 /; s/,(fd|pipe_ino)=[0-9]+//g; s/,uuid=on//' /proc/self/mountinfo |
    grep -v ' /run/\(user\|credentials\)'
# a container sees the groups of all the others too
own=$(sed -n 's/^[0-9]*:name=systemd://p; s/^0:://p' /proc/1/cgroup | head -1)
find /sys/fs/cgroup -type d -path "*${own%/init.scope}/*" -name '*faultline*' 2>/dev/null | sed 's/^/cgroup /'
# only what can be written can have been changed; in a container nothing can, and others change what is the machine's
[ -w /proc/sys/kernel ] &&
find /proc/sys/net /proc/sys/vm /proc/sys/kernel /proc/sys/fs -type f -perm -200 ! -name '*drop_caches*' ! -name '*compact_memory*' \
    ! -name 'ns_last_pid' ! -name 'flush' ! -path '*/random/*' -exec grep -sH '' {} + 2>/dev/null | sed 's/^/sysctl /'
for engine in docker podman; do
    if has $engine && [ -n "$($engine ps --all --quiet 2>/dev/null)" ]; then
        $engine inspect --format "$engine"' {{.Name}} {{.State.Status}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}' \
            $($engine ps --all --quiet)
    fi
done
find /etc/systemd/system -mindepth 1 2>/dev/null | sed 's/^/file /'
# Ansible's own copy of a module that was killed is Ansible's to leave
find /etc /run /tmp /var/tmp /usr/local /root /home /dev/shm -xdev -iname '*faultline*' ! -path '/usr/local/sbin/faultline-node' \
    ! -path '*/ansible_faultline.*_payload_*' 2>/dev/null | sed 's/^/file /'
find /var/lib/faultline/open /var/lib/faultline/lock.d -mindepth 1 2>/dev/null | sed 's/^/journal /'
"""


# these kinds of lines are nobody else's on a node, nor are those with this word: our tables, units, mounts
_OUR_KINDS, _OUR_WORD = {"masked", "stopped", "cgroup", "file", "journal"}, "faultline"
# a node's own links, and those that faults make
_OUR_LINKS = re.compile(r"(eth\d|en[opsx]\w|flt)[\w.-]*|lo")
# those of engines, whose states follow their containers, and those that come and go with containers and with the kernel's tunnel modules
_ENGINE_LINKS = re.compile(r"docker\d+|podman\d+|cni\S*|br-[0-9a-f]{12}")
_PASSING_LINKS = re.compile(r"veth\S*|tunl\d+|sit\d+|gre(tap)?\d+|erspan\d+|ip6?_vti\d+|ip6(tnl|gre)\d+")
# kind of line -> where its link stands
_AT_BEGIN, _BEHIND_DEV = re.compile(r"^([^ :@]+)"), re.compile(r"\bdev (\S+)")
_LINK = {
    **dict.fromkeys(("link", "address", "class", "filter"), _AT_BEGIN), **dict.fromkeys(("qdisc", "route", "neighbour", "nexthop"), _BEHIND_DEV),
}


def _link(kind, rest):
    """The link that a line tells of, or None."""
    found = kind in _LINK and _LINK[kind].search(rest)
    return found[1] if found else None


def _unit(rest):
    """(who made it, name, state) of a line of a unit."""
    return rest.split(" ", 2)


def _mount_point(rest):
    return rest.split(" ")[1]


class Snapshot:
    """How a host is now: lines, and how far its clock is from ours (seconds)."""

    # what clocks may drift apart between two looks, beyond how long it took to read them
    CLOCK_TOLERANCE = 2.0

    def __init__(self, run):
        """run: what runs a shell script on the host and returns what it prints."""
        self.lines = {line for line in run(SCRIPT).splitlines() if not _PASSING.search(line)}
        began = time.time()
        told = float(run("date +%s.%N"))
        ended = time.time()
        self.offset, self.vague = told - (began + ended) / 2, (ended - began) / 2

    def difference(self, after, named=()):
        """{appeared, gone} between this and a later snapshot; {} when nothing of ours is left and nothing is destroyed.

        named: the services that the test is about; their units are as ours.
        """
        links = {_link("link", rest) for rest in self._rests("link")}
        links -= _others(links)
        points = {_mount_point(rest) for rest in self._rests("mount")}

        def ours(line):
            kind, _space, rest = line.partition(" ")
            link = _link(kind, rest)
            if kind in _OUR_KINDS or _OUR_WORD in line:
                return True
            if kind == "unit":
                made_by, name, _state = _unit(rest)
                return made_by == "node" or name.rpartition(".")[0] in named
            if kind == "mount":
                return _mount_point(rest) in points
            return bool(link) and (link in links or bool(_OUR_LINKS.fullmatch(link)))

        appeared = sorted(filter(ours, after.lines - self.lines))
        still = after.lines | {_there(line) for line in after.lines} | {None}
        gone = sorted(line for line in self.lines - after.lines if (line if ours(line) else _what_stays(line)) not in still)
        if abs(after.offset - self.offset) > self.CLOCK_TOLERANCE + self.vague + after.vague:
            appeared.append(f"clock moved by {after.offset - self.offset:+.1f} s")
        return {"appeared": appeared, "gone": gone} if appeared or gone else {}

    def _rests(self, kind):
        return [line.partition(" ")[2] for line in self.lines if line.startswith(kind + " ")]


def _others(links):
    return {link for link in links if _ENGINE_LINKS.fullmatch(link) or _PASSING_LINKS.fullmatch(link)}


def _there(line):
    """That a unit is active or a link is there, in whatever state."""
    kind, _space, rest = line.partition(" ")
    if kind == "unit":
        made_by, name, state = _unit(rest)
        return f"unit {made_by} {name} active" if state.startswith("active ") else None
    return f"link {_link(kind, rest)}" if kind == "link" else None


def _what_stays(line):
    """What of a line that is not ours has to be there still: all of it, that it is there at all, or None."""
    kind, _space, rest = line.partition(" ")
    link = _link(kind, rest)
    if link and _others({link}):
        return _there(line) if _ENGINE_LINKS.fullmatch(link) else None
    # a socket that is connected to or a timer that has run is as good as before, and what runs once has an end
    if kind == "unit" and not line.endswith(".service active running"):
        return _there(line)
    return line
