"""What may be written to a terminal: colour where it is wanted, and nothing that could break it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from typing import TextIO

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Terminal:
    """Width and abilities of one output.

    colour only where a person reads it, and not with NO_COLOR set (no-color.org).
    """

    def __init__(self, out: TextIO = sys.stdout, environ: Mapping[str, str] = os.environ) -> None:
        self.width = max(60, min(160, shutil.get_terminal_size((100, 24)).columns))
        self.colours = out.isatty() and not environ.get("NO_COLOR")
        self.unicode = "utf" in (out.encoding or "").lower()
        self._out = out

    def paint(self, text: str, *styles: str) -> str:
        if not self.colours or not styles:
            return text
        codes = ";".join(_CODES[style] for style in styles)
        return f"\x1b[{codes}m{text}\x1b[0m"

    def write(self, *lines: str) -> None:
        text = "\n".join(lines) + "\n"
        encoding = self._out.encoding or "utf-8"
        self._out.write(text.encode(encoding, "replace").decode(encoding))
        self._out.flush()


def clean(text: object, room: int) -> str:
    """One line of at most `room` columns, control and direction characters made visible."""
    visible = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text)
    )
    return visible if len(visible) <= room else f"{visible[: max(0, room - 1)]}…"


def duration(nanoseconds: float) -> str:
    """`0.3 ms`, `12 ms`, `1.24 s`."""
    milliseconds = nanoseconds / 1e6
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.2f} s"
    return f"{milliseconds:.1f} ms" if milliseconds < 100 else f"{milliseconds:.0f} ms"
