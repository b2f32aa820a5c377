#!/usr/bin/env bash
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Runs ansible-test sanity on a copy of the tracked and the new files: it insists on a directory
# ansible_collections/<namespace>/<name> that is a git repository. Arguments go to ansible-test.
set -euo pipefail
cd "$(dirname "$0")/../.."
copy=.build/ansible_collections/faultline/openstack

rm -rf "$copy"
mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard |
  while IFS= read -r -d '' file; do if [[ -e $file ]]; then printf '%s\0' "$file"; fi; done |
  tar --create --null --files-from=- --file=- | tar --extract --file=- --directory="$copy"
git -C "$copy" init --quiet
echo /tests/output/ >> "$copy/.git/info/exclude"

# ansible-test would fetch this script from its own server, which not every network reaches
pip=~/.ansible/test/cache/get_pip_24_2.py
[[ -s $pip ]] || python tests/tools/get_pip.py 24.2 "$pip"

cd "$copy"
python=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
exec ansible-test sanity --local --python "$python" --color no "$@"
