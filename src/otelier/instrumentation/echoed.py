"""Statements that SQLAlchemy logs where an app asks it to (`echo=True`): without their literals."""

from __future__ import annotations

import re

from otelier.privacy import mask_statement

ECHO = "sqlalchemy.engine"
"""Beginning of the names of its loggers."""

_VERB = re.compile(
    r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|REPLACE|CALL|CREATE|ALTER|DROP|SET|PRAGMA|EXPLAIN"
    r"|GRANT)\b",
    re.IGNORECASE,
)


def without_literals(text: str) -> str:
    """A statement as a span has it; any other text as it is."""
    return str(mask_statement(text, None)) if _VERB.match(text) else text
