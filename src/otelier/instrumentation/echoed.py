"""What a record of `logging` says, for all that write it.

Statements that SQLAlchemy logs where an app asks it to (`echo=True`) are without their literals.
"""

from __future__ import annotations

import logging
import re
from typing import Final

from otelier.logformat.entry import Entry, read
from otelier.privacy import mask_statement

_ECHO: Final = "sqlalchemy.engine"
"""Beginning of the names of its loggers."""

_VERB = re.compile(
    r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|REPLACE|CALL|CREATE|ALTER|DROP|SET|PRAGMA|EXPLAIN"
    r"|GRANT)\b",
    re.IGNORECASE,
)


def entry_of(record: logging.LogRecord) -> Entry:
    entry = read(record)
    if record.name.startswith(_ECHO):
        entry.text = without_literals(entry.text)
    return entry


def without_literals(text: str) -> str:
    """A statement as a span has it; any other text as it is."""
    return str(mask_statement(text, None)) if _VERB.match(text) else text
