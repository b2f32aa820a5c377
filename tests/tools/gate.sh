#!/usr/bin/env bash
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What is cheap and pure comes first and ends the gate when it fails; the lab comes up beside it, and its tests come last.
set -euo pipefail
cd "$(dirname "$0")/../.."
make=(make --no-print-directory)
log=.build/lab.log
mkdir -p .build

# a group of its own, to be ended whole
setsid "${make[@]}" lab lab-machines > "$log" 2>&1 < /dev/null &
lab=$!
if ! "${make[@]}" lint sanity unit; then
  kill -- "-$lab" 2> /dev/null || true
  wait "$lab" 2> /dev/null || true
  exit 1
fi
if ! wait "$lab"; then
  cat "$log"
  echo "The lab did not come up; what it said stands above, and in $log." >&2
  exit 1
fi
exec "${make[@]}" gate-on-lab
