#!/usr/bin/env bash
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Runs the Molecule scenarios named, or all of them, on the lab.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [[ $# == 0 ]]; then
  shopt -s nullglob
  set -- extensions/molecule/*/molecule.yml
  set -- "${@%/molecule.yml}"
  set -- "${@##*/}"
fi
[[ $# -gt 0 ]] || { echo 'no scenario under extensions/molecule' >&2; exit 1; }
for scenario; do
  molecule test --scenario-name "$scenario"
done
