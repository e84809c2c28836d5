"""Pure masking: what must not leave the process.

Conservative where it cannot be sure: a query value is always masked, and SQL that may hold a
literal is left out whole (its summary stays).
"""

from __future__ import annotations

import re
from functools import lru_cache

MASK = "REDACTED"

# A quote, a comment, an unquoted password, or a number that is not part of a name. A `$` begins a
# placeholder (`$1`) or a quote (`$tag$`) in PostgreSQL, an amount of money in SQL Server; a `#`
# is an operator in PostgreSQL and begins a comment in MySQL.
_COMMON = r"'|--|/\*|\bIDENTIFIED\s+BY\b"
_LITERAL_WHERE_NAMES_ARE_QUOTED = re.compile(rf"{_COMMON}|\$(?!\d)|(?<![\w$])\d", re.IGNORECASE)
_LITERAL_ELSEWHERE = re.compile(rf'{_COMMON}|["#$]|(?<!\w)\d', re.IGNORECASE)
_WHITE_SPACE = re.compile(r"\s+")


def mask_query(query: bytes) -> str:
    """A URL query with its keys kept and every value masked: `page=REDACTED&q=REDACTED`."""
    parts = query.decode("latin-1").split("&")
    return "&".join(f"{part.partition('=')[0]}={MASK}" if "=" in part else MASK for part in parts)


@lru_cache(maxsize=2048)
def mask_sql(statement: str, *, quotes_names: bool) -> str | None:
    """The statement if it surely holds no literal, else None.

    quotes_names: whether double quotes surely hold a name (PostgreSQL), and never a string (MySQL;
    SQLite, where no column has that name). A comment may hold anything, so it counts as a literal.
    Source: semantic conventions, `db.query.text` ("non-parameterized query text SHOULD NOT be
    collected by default unless there is sanitization").
    """
    if before_literal(statement, quotes_names=quotes_names) != statement:
        return None
    if '"' in statement and not _holds_plain_names(statement):
        return None
    return _WHITE_SPACE.sub(" ", statement).strip()


def before_literal(statement: str, *, quotes_names: bool) -> str:
    """As much of the statement as surely holds no literal; quoted names may be among it."""
    literal = _LITERAL_WHERE_NAMES_ARE_QUOTED if quotes_names else _LITERAL_ELSEWHERE
    found = literal.search(statement)
    return statement[: found.start()] if found else statement


def _holds_plain_names(statement: str) -> bool:
    return all(part.isidentifier() for part in statement.split('"')[1::2])
