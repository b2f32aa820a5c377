#!/usr/bin/env bash
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Makes sure that the Java is there which ansible-rulebook's rule engine runs in, or says exactly what to do.
set -euo pipefail

# java calls itself "17.0.15" or, a first release, "21"; before 9 it said "1.8.0"
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
if command -v "$java" > /dev/null && version=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p') && [[ ${version:-0} -ge 17 ]]; then
  exit 0
fi
if [[ -n ${JAVA_HOME:-} ]]; then
  printf 'faultline: %s\n' "ansible-rulebook needs Java 17 or later, and that of JAVA_HOME ($JAVA_HOME) is ${version:-none}." \
    "Let JAVA_HOME lead to another one, or unset it: then the program java tells where its home is." >&2
  exit 1
fi
if ! command -v apt-get > /dev/null || [[ $(id -u) != 0 ]]; then
  printf 'faultline: %s\n' "ansible-rulebook needs Java 17 or later, and java here is ${version:-none}." "Debian, as root: apt-get install openjdk-17-jre-headless" >&2
  exit 1
fi
echo "faultline: installing openjdk-17-jre-headless, which ansible-rulebook needs"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq -y --no-install-recommends install openjdk-17-jre-headless > /dev/null
