"""The committed tables: which of contrib's tests do not pass, and why, one sentence a group."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
TABLES: Mapping[str, Path] = {"open": HERE / "expected.toml", "ours": HERE / "ours.toml"}


@dataclass(frozen=True)
class Group:
    """Tests of one suite that fail for one reason."""

    reason: str
    tests: Sequence[str]


def read(mode: str) -> Mapping[str, Sequence[Group]]:
    """The groups of each suite. mode: `open` or `ours`."""
    table = tomllib.loads(TABLES[mode].read_text())
    return {
        suite: [Group(group["reason"], tuple(group["tests"])) for group in groups]
        for suite, groups in table.items()
    }
