#!/usr/bin/env bash
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What Galaxy and Automation Hub would say to the archive: importer.sh PYTHON ARCHIVE
set -euo pipefail
python=$(realpath --no-symlinks "$1")
archive=$(realpath "$2")
cd "$(dirname "$0")/../.."
mkdir -p .build/importer
# ansible-lint runs over the whole checkout already
cat > .build/importer/galaxy-importer.cfg <<'X'
[galaxy-importer]
run_ansible_lint = False
run_flake8 = False
log_level_main = WARNING
X
cd .build/importer
# the importer looks for ansible-doc beside its own Python
export GALAXY_IMPORTER_CONFIG=$PWD/galaxy-importer.cfg PATH=${python%/*}:$PATH
unset ANSIBLE_CONFIG
if ! "$python" -m galaxy_importer.main "$archive" > log 2>&1; then
  cat log
  exit 1
fi
! grep -E '^(WARNING|ERROR)' log
