"""One row of the table of variables, and what makes rows that differ by a word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otelier.fixed import fixed
from otelier.values import count


@fixed
class Setting:
    """One variable.

    default: what is used when it is unset or refused; None leaves it unset.
    parse: text to value; raises `Refused`.
    ours: whether `default` is Otelier's opinion, put into the environment for the SDK to read.
    secret: whether its value may hold a secret, and is never printed.
    """

    name: str
    meaning: str
    parse: Callable[[str], Any]
    default: str | None = None
    ours: bool = False
    secret: bool = False


def per_signal(
    pattern: str, meaning: str, parse: Callable[[str], Any], **more: Any
) -> list[Setting]:
    """The general variable, then one for each signal that wins over it."""
    rows = [Setting(name=pattern.format(""), meaning=meaning, parse=parse, **more)]
    for signal in ("traces", "metrics", "logs"):
        rows.append(
            Setting(
                name=pattern.format(f"{signal.upper()}_"),
                meaning=f"the same for {signal} alone",
                parse=parse,
                secret=more.get("secret", False),
            )
        )
    return rows


def counts(meaning: str, *variables: str) -> list[Setting]:
    return [Setting(name=name, meaning=meaning, parse=count) for name in variables]
