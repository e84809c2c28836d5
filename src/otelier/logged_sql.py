"""Strings of SQL in any text: a statement that an app logs, or puts into an exception's text.

Where the text of a statement begins is known by its keywords; where it ends is not, so strings go
up to the end, or to the next entry of a stack. Numbers stay, and so does what is quoted where a
name could be: the sentence around it is no SQL. Pure; any thread; linear.
"""

from __future__ import annotations

import re

from otelier.pattern import pattern

_WORD = r"[\w.\"`\[\]\\]{1,128}"
_STATEMENT = pattern(
    r"\b(?:SELECT|INSERT\s+INTO|REPLACE\s+INTO|MERGE\s+INTO|DELETE\s+FROM"
    rf"|UPDATE\s+{_WORD}\s+SET|DO\s+\$|SET\s+(?:LOCAL\s+|SESSION\s+)?{_WORD}\s*(?:=|TO)\s*'|SET\s+PASSWORD\b"
    r"|CALL\s+\w{1,128}\s*\(|COPY\s)(?=\s|\\n|['$\w(])"
    rf"|(?i:\b(?:insert\s+into\s+{_WORD}\s*(?:\(|values|select)|delete\s+from\s+{_WORD}\s+where\s"
    rf"|update\s+{_WORD}\s+set\s+{_WORD}\s*="
    rf"|select\s[^;'\"]{{1,300}}?\sfrom\s+{_WORD}(?:\s+\w{{1,64}})?\s+(?:where|join|having)\s))"
)
_STRING = pattern(
    r"(?:(?<![\w'])(?:[eEnNbBxX]|[uU]&|_\w{1,16}|date|time|timestamp|interval)?)"
    r"'(?:[^'\\]|''|\\.)*+(?:'|\Z)"
    r"|((?:[=<>]|\blike|\bin\s{0,4}\(|\bvalues\s{0,4}\()\s{0,4})\"(?:[^\"\\]|\"\"|\\.)*+(?:\"|\Z)"
    r"(?:\s{0,4},\s{0,4}\"(?:[^\"\\]|\"\"|\\.)*+(?:\"|\Z))*+",
    re.IGNORECASE | re.DOTALL,
)
_DOLLARS = pattern(r"(?<![\w$])\$(?:[^\W\d]\w{0,62})?\$")
_BEHIND = pattern(
    r"\n\s{0,80}(?:File \"|\^|~|Traceback|The above|During"
    r"|[\w.]{0,80}(?:Error|Exception|Exit|Warning)\b)"
)
_QUOTED = {
    "'": pattern(r"(?:[^'\\]|\\.)*+", re.DOTALL),
    '"': pattern(r'(?:[^"\\]|\\.)*+', re.DOTALL),
}


def mask_logged(text: str) -> str:
    """The text, strings of statements in it masked."""
    parts: list[str] = []
    done = 0
    while found := _STATEMENT.search(text, done):
        start = found.start()
        behind = _BEHIND.search(text, start)
        end = behind.start() if behind else len(text)
        parts += (text[done:start], _without_strings(text, start, end))
        done = end
    return "".join((*parts, text[done:])) if parts else text


def _without_strings(text: str, start: int, end: int) -> str:
    """A statement that is itself in quotes ends there, and others may follow: its parameters."""
    outer = _QUOTED.get(text[start - 1 : start])
    inside = outer.match(text, start, end) if outer else None
    if inside is None:
        return _masked(text[start:end])
    close = min(inside.end() + 1, end)
    return f"{_masked(inside[0])}{text[inside.end() : close]}{_masked(text[close:end])}"


def _masked(text: str) -> str:
    return _STRING.sub(_mask, _without_dollars(text) if "$" in text else text)


def _without_dollars(text: str) -> str:
    """`$tag$…$tag$` is a string of PostgreSQL; one without an end goes on to the end."""
    parts: list[str] = []
    done = 0
    while found := _DOLLARS.search(text, done):
        end = text.find(found[0], found.end())
        parts += (text[done : found.start()], "?")
        done = end + len(found[0]) if end >= 0 else len(text)
    return "".join((*parts, text[done:])) if parts else text


def _mask(found: re.Match[str]) -> str:
    return f"{found[1] or ''}?"
