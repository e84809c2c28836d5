"""Random bits for ids.

Seeded by the system once in a process and again in a forked child, so that no two processes give
the same ids; an app that seeds Python's own generator changes nothing here. Not for secrets: a
system call for each id would cost more than the rest of the request's observation.
"""

from __future__ import annotations

import os
from random import Random

_source = Random()  # noqa: S311  # not for secrets

bits = _source.getrandbits
"""`bits(n)`: an int of n random bits."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_source.seed)
