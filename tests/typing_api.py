"""Sample calls of the public names, for type checkers alone: never executed.

What is written here type-checks for users under the strictest settings.
"""

from __future__ import annotations

import otelier


def version() -> str:
    return otelier.__version__


def public_names() -> list[str]:
    return otelier.__all__
