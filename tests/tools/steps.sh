#!/usr/bin/env bash
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# steps.sh ROW...: targets of make, those of a row one after the other ("lint sanity") and the rows side by side. Of each a line, with its
# seconds; of one that fails all that it said. Fails when any does.
set -euo pipefail
cd "$(dirname "$0")/../.."

row() {
  local target said started
  for target in $1; do
    said=$(mktemp)
    started=$SECONDS
    if ${MAKE:-make} "$target" > "$said" 2>&1 < /dev/null; then
      echo "$target: done in $((SECONDS - started)) s"
      rm "$said"
    else
      cat "$said"
      echo "$target: failed after $((SECONDS - started)) s, with what stands above"
      rm "$said"
      return 1
    fi
  done
}

echo "$* ..."
rows=()
for each; do
  row "$each" &
  rows+=($!)
done
failed=0
for each in "${rows[@]}"; do
  wait "$each" || failed=1
done
exit "$failed"
