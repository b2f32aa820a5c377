# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who runs: Faultline, plain Ansible with the same settings, and os-faults with its own and with ours."""

from __future__ import annotations

import configparser
import dataclasses
import json
import os
import pathlib
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass
class Contender:
    """A way to start commands: where, with which settings, and over SSH connections of its own."""

    name: str
    folder: pathlib.Path
    sockets: pathlib.Path
    path: str
    environment: dict[str, str]

    def hang_up(self) -> None:
        """The next command has to connect anew."""
        for socket in self.sockets.iterdir():
            subprocess.run(["ssh", "-O", "exit", "-S", str(socket), "any"], capture_output=True, check=False)

    def time(self, argv: list[str], log: pathlib.Path) -> float:
        environment = {**os.environ, **self.environment, "PATH": f"{self.path}:{os.environ['PATH']}"}
        with open(log, "w", encoding="utf-8") as out:
            start = time.monotonic()
            done = subprocess.run(
                argv, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, timeout=900, check=False,
            )
            wall = time.monotonic() - start
        if done.returncode:
            raise RuntimeError(f"{self.name} failed, see {log}: {argv}\n{log.read_text(encoding='utf-8')[-2000:]}")
        return wall


def faultline(work: pathlib.Path, sockets: pathlib.Path, lab: pathlib.Path) -> Contender:
    """This checkout with its own ansible.cfg; host keys are checked."""
    folder = work / "faultline"
    folder.mkdir(parents=True, exist_ok=True)
    return Contender(
        "faultline", folder, private_folder(sockets / "f"), str(ROOT / ".venv" / "bin"),
        {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets / "f"),
         "ANSIBLE_SSH_COMMON_ARGS": f"-o UserKnownHostsFile={lab}/known_hosts"},
    )  # fmt: skip


def os_faults(work: pathlib.Path, sockets: pathlib.Path, helped: bool) -> Contender:
    """The peer; helped, with the forks, pipelining and SSH settings of our ansible.cfg.

    It starts ansible-playbook with an empty environment, so that the only way to settings is the file in the directory.
    """
    name = "os-faults, helped" if helped else "os-faults"
    folder = work / name.replace(", ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    own = private_folder(sockets / ("h" if helped else "o"))
    settings = configparser.ConfigParser(comment_prefixes=(";", "#"), interpolation=None)
    if helped:
        settings.read(ROOT / "ansible.cfg")
    for section in ("defaults", "ssh_connection"):
        if not settings.has_section(section):
            settings.add_section(section)
    settings.remove_option("defaults", "collections_path")
    settings.remove_section("inventory")
    settings["ssh_connection"]["control_path_dir"] = str(own)
    with open(folder / "ansible.cfg", "w", encoding="utf-8") as out:
        settings.write(out)
    return Contender(name, folder, own, str(ROOT / ".venv" / "peer" / "bin"), {})


def sentence(contender: Contender, config: pathlib.Path, text: str) -> list[str]:
    """The command that does what the sentence says."""
    if contender.name == "faultline":
        return ["ansible-playbook", "faultline.openstack.disrupt", "-i", str(config), "-e", json.dumps({"fault": text})]
    return ["os-inject-fault", "-c", str(config), *text.split()]


def ad_hoc(config: pathlib.Path, module: str, arguments: str = "") -> list[str]:
    """One module on all hosts of the file, by plain Ansible."""
    return ["ansible", "all", "-i", str(config), "-m", module, *(["-a", arguments] if arguments else [])]


def private_folder(path: pathlib.Path) -> pathlib.Path:
    path.mkdir(mode=0o700, exist_ok=True)
    return path
