#!/usr/bin/env bash
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Makes sure that the browser is there which the test of report.html drives, or says exactly what to do.
set -euo pipefail

if command -v chromium > /dev/null; then
  exit 0
fi
if ! command -v apt-get > /dev/null || [[ $(id -u) != 0 ]]; then
  printf 'faultline: %s\n' "The test of the report needs the program chromium." "Debian, as root: apt-get install chromium" >&2
  exit 1
fi
echo "faultline: installing chromium, which the test of the report needs"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# with a font, without which there is no text
apt-get -qq -y --no-install-recommends install chromium fonts-dejavu-core > /dev/null
