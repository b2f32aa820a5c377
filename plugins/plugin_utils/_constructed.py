# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the inventory plugins that ask a cloud have in common: which files are theirs, and what becomes of a host."""

from __future__ import annotations

import re

from ansible.plugins.inventory import BaseInventoryPlugin, Constructable


class ConstructedInventory(BaseInventoryPlugin, Constructable):
    """NAME: that of the plugin, which a file of its own has as `plugin`."""

    def verify_file(self, path):
        if not super().verify_file(path) or not path.endswith((".json", ".yaml", ".yml")):
            return False
        mark = rf"^plugin\s*:\s*['\"]?{re.escape(self.NAME)}\b"
        with open(path, "rb") as stream:
            return bool(re.search(mark, stream.read(8192).decode("utf-8", "replace"), re.MULTILINE))

    def add(self, name, told, groups):
        """Add a host with variables to groups, and to those that compose, groups and keyed_groups make of them."""
        strict = self.get_option("strict")
        self.inventory.add_host(name)
        for key, value in told.items():
            self.inventory.set_variable(name, key, value)
        for group in groups:
            self.inventory.add_child(self.inventory.add_group(group), name)
        self._set_composite_vars(self.get_option("compose"), told, name, strict)
        variables = self.inventory.get_host(name).get_vars()
        self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, name, strict)
