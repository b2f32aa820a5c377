# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that say which OpenStack is meant, as a documentation fragment."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  cloud:
    description:
      - A name of C(clouds.yaml). Without it and without O(auth) the variables C(OS_*) of the shell say which cloud is meant.
    type: str
  auth:
    description:
      - The login, as C(auth) in C(clouds.yaml), with C(auth_url), C(username), C(password), C(project_name), C(user_domain_name),
        C(project_domain_name). Nothing else is asked then, neither C(clouds.yaml) nor the shell.
    type: dict
  region_name:
    description: The region. Needed only where the cloud has several.
    type: str
  interface:
    description: Which of the catalogue's endpoints are asked.
    type: str
    choices: [public, internal, admin]
  verify:
    description: Whether the certificates of the cloud are checked. What C(clouds.yaml) says by default, which is yes.
    type: bool
  cacert:
    description: A file with the certificates that the cloud's are checked against.
    type: path
requirements:
  - openstacksdk for the Python that runs the module
"""
