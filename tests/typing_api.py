"""Sample calls of the public names, for type checkers alone: never executed.

What is written here type-checks for users under the strictest settings.
"""

from __future__ import annotations

import otelier


def version() -> str:
    return otelier.__version__


def binding() -> None:
    otelier.bind_user("u-42", session="s-7")
    otelier.bind_user(None)
    otelier.bind(tenant="acme", plan=2)


def environment() -> dict[str, str]:
    return otelier.environ()


def public_names() -> list[str]:
    return otelier.__all__
