"""What a server has said of its telemetry on its output. Pure.

uvicorn's own lines and the app's log records, which are JSON, are left out. Of Otelier's lines, the
last one that tells what is lost counts, as its numbers are sums.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_OURS = "otelier: "
SUM = f"{_OURS}lost"
_OTHERS = ("INFO: ", "WARNING: ", "{")
_LOST = re.compile(r"\blost[^:;]*: (.*)")
_COUNT = re.compile(r"([\d,]+) (span|log record|data point)s?\b")
_LEFT = re.compile(r"(.*) not delivered within")


@dataclass(frozen=True)
class Said:
    """lines: of telemetry. lost: records, by what they are called."""

    lines: Sequence[str]
    lost: Counter[str]

    @property
    def records(self) -> int:
        """Spans and log records that are said to be lost."""
        return self.lost["span"] + self.lost["log record"]


def said(output: str) -> Said:
    lines = [line for line in output.splitlines() if line and not line.startswith(_OTHERS)]
    ours = [line.removeprefix(_OURS) for line in lines if line.startswith(_OURS)]
    told = [match[1] for line in ours if (match := _LOST.search(line))]
    left = [match[1] for line in ours if (match := _LEFT.match(line))]
    return Said(lines, _counts(told[-1:]) + _counts(left[-1:]))


def _counts(texts: Sequence[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for text in texts:
        for number, word in _COUNT.findall(text.partition(";")[0]):
            found[word] += int(number.replace(",", ""))
    return found
