#!/usr/bin/env bash
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Runs the Molecule scenarios named, or all of them: on the lab one after the other, beside them those that clean up a lab of their own,
# whose words come when they end.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [[ $# == 0 ]]; then
  shopt -s nullglob
  set -- extensions/molecule/*/molecule.yml
  set -- "${@%/molecule.yml}"
  set -- "${@##*/}"
fi
[[ $# -gt 0 ]] || { echo 'no scenario under extensions/molecule' >&2; exit 1; }

said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT
declare -A beside=()
shared=()
for scenario; do
  if [[ $# -gt 1 && -e extensions/molecule/$scenario/cleanup.yml ]]; then
    molecule test --scenario-name "$scenario" > "$said/$scenario" 2>&1 < /dev/null &
    beside[$scenario]=$!
  else
    shared+=("$scenario")
  fi
done
failed=0
for scenario in "${shared[@]}"; do
  molecule test --scenario-name "$scenario" || { failed=1; break; }
done
for scenario in "${!beside[@]}"; do
  wait "${beside[$scenario]}" || failed=1
  cat "$said/$scenario"
done
exit "$failed"
