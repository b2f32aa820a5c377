#!/usr/bin/env bash
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Makes sure that the interpreter named can make virtual environments, or says exactly what to do.
set -euo pipefail
python=$1

refuse() { printf 'faultline: %s\n' "$@" >&2; exit 1; }

command -v "$python" >/dev/null ||
  refuse "$python is not here." \
    "Debian 12: apt-get install python3 python3-venv. Elsewhere, name a Python 3.11 or later: make PYTHON=/path/to/python3 venv"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  refuse "$python is $("$python" -V 2>&1), and ansible-core 2.19 needs 3.11 or later on the controller." \
    "Name another one: make PYTHON=/path/to/python3.11 venv"
if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  exit 0
fi

# Debian keeps ensurepip in a package of its own
package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
command -v apt-get >/dev/null ||
  refuse "$python cannot make virtual environments (no module ensurepip). Install your distribution's package for it."
[[ $(id -u) == 0 ]] ||
  refuse "$python cannot make virtual environments (no module ensurepip). As root: apt-get install $package"
echo "faultline: installing $package, which $python needs to make .venv"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq -y --no-install-recommends install "$package" >/dev/null
