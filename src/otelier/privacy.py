"""Pure masking: what must not leave the process.

Conservative where it cannot be sure: a query value is always masked, and SQL that may hold a
literal is left out whole (its summary stays).
"""

from __future__ import annotations

import re
from functools import lru_cache

MASK = "REDACTED"

# A quote, a dollar quote, or a number that is not part of a name or of a `$1` placeholder.
_MAY_HOLD_LITERAL = re.compile(r"""'|\$\$|\$[A-Za-z_]|(?<![\w$])\d""")
_WHITE_SPACE = re.compile(r"\s+")


def mask_query(query: bytes) -> str:
    """A URL query with its keys kept and every value masked: `page=REDACTED&q=REDACTED`."""
    parts = query.decode("latin-1").split("&")
    return "&".join(f"{part.partition('=')[0]}={MASK}" if "=" in part else MASK for part in parts)


@lru_cache(maxsize=2048)
def mask_sql(statement: str, *, quotes_names: bool) -> str | None:
    """The statement if it surely holds no literal, else None.

    quotes_names: whether double quotes hold a name (PostgreSQL, SQLite) or a string (MySQL).
    A comment may hold anything, so it counts as a literal.
    Source: semantic conventions, `db.query.text` ("non-parameterized query text SHOULD NOT be
    collected by default unless there is sanitization").
    """
    if '"' in statement and not (quotes_names and _holds_plain_names(statement)):
        return None
    if "--" in statement or "/*" in statement or _MAY_HOLD_LITERAL.search(statement):
        return None
    return _WHITE_SPACE.sub(" ", statement).strip()


def _holds_plain_names(statement: str) -> bool:
    return all(part.isidentifier() for part in statement.split('"')[1::2])
