"""What stands where a secret stood, `[masked:token]`, and how many did, counted by kind.

Kinds are few and fixed, so that they can be a metric's attribute. In a URL the conventions' own
word stands instead, and its kind is `url`. Any thread; a lost race costs one in the count.
"""

from __future__ import annotations

from collections import Counter

from otelier.pattern import pattern

REDACTED = "REDACTED"
"""In URLs. Source: semantic conventions, `url.full`, `url.query`."""

masked: Counter[str] = Counter()
"""Values masked so far in this process, by kind."""

_MARK = pattern(r"\[masked:(\w+)\]")


def mark(kind: str) -> str:
    """What stands for a value of this kind."""
    return f"[masked:{kind}]"


def count(before: str, after: str) -> None:
    """Count the marks that a text has gained."""
    gained = Counter(_MARK.findall(after))
    gained.subtract(_MARK.findall(before))
    gained["url"] = after.count(REDACTED) - before.count(REDACTED)
    for kind, number in gained.items():
        if number > 0:
            masked[kind] += number
