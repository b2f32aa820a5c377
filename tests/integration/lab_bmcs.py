# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""BMCs for tests, on loopback: two of IPMI that know nothing of each other, one of Redfish; each drives one libvirt domain."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys

import bcrypt
from lab_nodes import wait_for

# a new one in each run, so that it is found where this run has left it
USER, PASSWORD = "operator", f"a {secrets.token_hex(6)}"
# virtualbmc as it is, but for one thing: as a real BMC it refuses the cipher suites that it lacks, which its library takes and then fails
_VIRTUALBMC = """\
import sys
from pyghmi.ipmi.private import serversession
from virtualbmc.vbmc import VirtualBMC

taken = serversession.ServerSession.create_open_session_response
def some(self, request):
    if request[12] != 1:
        return bytearray([request[0], 0x12, 0, 0]) + bytearray(request[4:8])
    return taken(self, request)
serversession.ServerSession.create_open_session_response = some

domain, uri, port = sys.argv[1:]
user, password = sys.stdin.readline().rstrip("\\n"), sys.stdin.readline().rstrip("\\n")
VirtualBMC(user, password, int(port), "127.0.0.1", domain, uri).listen()
"""
_IPMI_SIM = """\
name "bmc"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 {port}
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "{chassis} 0x20"
  user 1 true "" "test" user 10 none md2 md5 straight
  user 2 true "{user}" "{password}" admin 10 none md2 md5 straight
"""
_EMULATED = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
mc_enable 0x20
"""
# called as: CHASSIS MC get|set|check PARAMETER [VALUE]...
_CHASSIS = """\
#!/bin/bash
export LIBVIRT_DEFAULT_URI='{uri}'
op=$2
shift 2
if [[ $op == get ]]; then
  for parameter; do
    case $parameter in
      power) [[ $(virsh domstate {domain}) == running ]] && echo power:1 || echo power:0 ;;
      boot) echo boot:default ;;
      *) echo "$parameter:0" ;;
    esac
  done
elif [[ $op == set ]]; then
  while (($#)); do
    case $1 in
      power) if [[ $2 == 1 ]]; then virsh start {domain}; else virsh destroy {domain}; fi > /dev/null 2>&1 ;;
      reset) virsh reset {domain} > /dev/null 2>&1 ;;
      shutdown) virsh shutdown {domain} > /dev/null 2>&1 ;;
    esac
    shift 2
  done
fi
exit 0
"""


def free_port(kind=socket.SOCK_DGRAM):
    with socket.socket(socket.AF_INET, kind) as channel:
        channel.bind(("127.0.0.1", 0))
        return channel.getsockname()[1]


class Bmc:
    """A BMC that runs. entry: what mac_to_bmc and fqdn_to_bmc say of it. The password of ipmi_sim has no blanks."""

    def __init__(self, vm, folder):
        self.vm, self.folder = vm, folder
        folder.mkdir(exist_ok=True)
        self.log = open(folder / "log", "wb")
        self.process = None

    def begin(self):
        """Start it on a port that is free; whether it stands."""
        raise NotImplementedError

    def __enter__(self):
        # a port that is free may be taken a moment later
        assert any(self.begin() for _attempt in range(5)), (self.folder / "log").read_text()
        return self

    def __exit__(self, *_ignored):
        self.stop()
        self.log.close()

    def run(self, argv, said=b"", environment=None):
        self.process = subprocess.Popen(
            argv, cwd=self.folder, stdin=subprocess.PIPE, stdout=self.log, stderr=self.log, env={**os.environ, **(environment or {})})
        self.process.stdin.write(said)
        self.process.stdin.flush()

    def is_up(self, listens):
        """Wait until it listens; False where it has ended instead, as when somebody else was quicker to take its port."""
        wait_for(lambda: listens() or self.process.poll() is not None)
        return self.process.poll() is None

    def stop(self):
        self.process.kill()
        self.process.wait()

    def silence(self):
        """Let it hang: it takes packets, and never answers."""
        self.process.send_signal(19)

    def wake(self):
        self.process.send_signal(18)


class VirtualBmc(Bmc):
    """OpenStack's virtualbmc."""

    driver = "ipmi"

    def begin(self):
        port = free_port()
        self.entry = {"address": "127.0.0.1", "port": port, "username": USER, "password": PASSWORD}
        (self.folder / "bmc.py").write_text(_VIRTUALBMC)
        self.run([sys.executable, "bmc.py", self.vm.domain, self.vm.lab.uri, str(port)], f"{USER}\n{PASSWORD}\n".encode())
        return self.is_up(lambda: _listens(port))


class IpmiSim(Bmc):
    """OpenIPMI's ipmi_sim."""

    driver = "ipmi"

    def begin(self):
        port, password = free_port(), PASSWORD.replace(" ", "")
        self.entry = {"address": "127.0.0.1", "port": port, "username": USER, "password": password}
        chassis = self.folder / "chassis.sh"
        chassis.write_text(_CHASSIS.format(domain=self.vm.domain, uri=self.vm.lab.uri))
        chassis.chmod(0o755)
        (self.folder / "lan.conf").write_text(_IPMI_SIM.format(port=port, chassis=chassis, user=USER, password=password))
        (self.folder / "bmc.emu").write_text(_EMULATED)
        self.run([shutil.which("ipmi_sim"), "-c", "lan.conf", "-f", "bmc.emu", "-s", str(self.folder), "-n"])
        return self.is_up(lambda: _listens(port))


class Redfish(Bmc):
    """OpenStack's sushy-emulator, behind a password."""

    driver = "redfish"

    def begin(self):
        port = free_port(socket.SOCK_STREAM)
        self.entry = {
            "address": f"http://127.0.0.1:{port}", "username": USER, "password": PASSWORD,
            "system": self.vm.virsh("domuuid", self.vm.domain),
        }
        secret = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        (self.folder / "users").write_text(f"{USER}:{secret}\n")
        (self.folder / "emulator.conf").write_text(f"SUSHY_EMULATOR_AUTH_FILE = {str(self.folder / 'users')!r}\n")
        emulator = os.path.join(os.path.dirname(sys.executable), "sushy-emulator")
        self.run([emulator, "--config", str(self.folder / "emulator.conf"), "--libvirt-uri", self.vm.lab.uri, "-i", "127.0.0.1", "-p", str(port)])
        return self.is_up(lambda: _answers(port))


def _listens(port):
    """Whether somebody has bound this UDP port."""
    tables = "".join(open(name, encoding="ascii").read() for name in ("/proc/net/udp", "/proc/net/udp6"))
    return any(f":{port:04X}" in line.split()[1] for line in tables.splitlines() if ":" in line)


def _answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
