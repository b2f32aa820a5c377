# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the script that ansible-test bootstraps pip with: get_pip.py VERSION FILE.

Like the get-pip.py that everybody knows, the script carries pip's own wheel, here taken from the package index that pip
is set up with. ansible-test documents the place as the way for machines that don't reach its server.
"""

from __future__ import annotations

import base64
import pathlib
import subprocess
import sys
import tempfile

SCRIPT = '''\
"""Installs pip {version} out of this file, then what its arguments name."""
import base64, os, shutil, sys, tempfile

WHEEL = """
{wheel}
"""

here = tempfile.mkdtemp()
try:
    wheel = os.path.join(here, "{name}")
    with open(wheel, "wb") as out:
        out.write(base64.b64decode(WHEEL))
    sys.path.insert(0, wheel)
    from pip._internal.cli.main import main
    # the options that get-pip.py itself takes, which pip doesn't know
    rest = [a for a in sys.argv[1:] if a not in ("--no-setuptools", "--no-wheel")]
    status = main(["install", "--upgrade", "--find-links", here] + (rest or ["pip"]))
finally:
    shutil.rmtree(here, ignore_errors=True)
sys.exit(status)
'''


def main(version: str, target: str) -> None:
    with tempfile.TemporaryDirectory() as work:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
             "--dest", work, f"pip=={version}"],
            check=True,
        )
        (wheel,) = pathlib.Path(work).glob("pip-*.whl")
        text = base64.encodebytes(wheel.read_bytes()).decode("ascii").strip()
        path = pathlib.Path(target).expanduser()
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(SCRIPT.format(version=version, wheel=text, name=wheel.name), encoding="utf-8")
        new.replace(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
