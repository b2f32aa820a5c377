#!/usr/bin/env bash
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What is cheap and pure comes first and ends the gate when it fails; the lab comes up beside it, and its tests come last.
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p .build

declare -A started=()

# beside NAME TARGET...: targets of make in a group of their own, to be ended whole; what they say goes to .build/NAME.log
beside() {
  local name=$1
  shift
  setsid make --no-print-directory "$@" > ".build/$name.log" 2>&1 < /dev/null &
  started[$name]=$!
}

# await NAME: until it has ended; what it said
await() {
  local code=0
  wait "${started[$1]}" || code=$?
  unset "started[$1]"
  cat ".build/$1.log"
  return "$code"
}

end_all() {
  local name
  for name in "${!started[@]}"; do
    kill -- "-${started[$name]}" 2> /dev/null || true
    wait "${started[$name]}" 2> /dev/null || true
  done
}
trap end_all EXIT

beside lab lab lab-machines
beside lint lint sanity
make --no-print-directory unit
await lint
await lab > /dev/null || { cat .build/lab.log; echo 'The lab did not come up; what it said stands above.' >&2; exit 1; }
make --no-print-directory gate-on-lab
