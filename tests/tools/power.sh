#!/usr/bin/env bash
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Makes sure that what the tests of power need is there, or says exactly what to do: a BMC of another kind (ipmi_sim), and what
# libvirt-python, which there is only as source, is built with.
set -euo pipefail

if command -v ipmi_sim > /dev/null && command -v gcc > /dev/null && command -v pkg-config > /dev/null && pkg-config --exists libvirt; then
  exit 0
fi
packages=(gcc libc6-dev libvirt-dev openipmi pkg-config)
if ! command -v apt-get > /dev/null || [[ $(id -u) != 0 ]]; then
  printf 'faultline: %s\n' "The tests of power need ipmi_sim, and libvirt's headers, a C compiler and pkg-config to build libvirt-python. One of them is missing." \
    "Debian, as root: apt-get install ${packages[*]}" >&2
  exit 1
fi
echo "faultline: installing ${packages[*]}, which the tests of power need"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq -y --no-install-recommends install "${packages[@]}" > /dev/null
