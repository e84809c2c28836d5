"""What a record of `logging` says and whose it is, for all that write it.

Statements that SQLAlchemy logs where an app asks it to (`echo=True`) are without their literals.
"""

from __future__ import annotations

import logging
import re

from otelier.context import current_request
from otelier.instrumentation.origins import ORIGINS, Origin
from otelier.logformat.entry import Entry, read
from otelier.pattern import pattern
from otelier.privacy import mask_statement
from otelier.sdk.lean_span import current_ids

_VERB = pattern(
    r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|REPLACE|CALL|CREATE|ALTER|DROP|SET|PRAGMA|EXPLAIN"
    r"|GRANT)\b",
    re.IGNORECASE,
)


def entry_of(record: logging.LogRecord, origin: Origin | None = None) -> Entry:
    """Reads who asks as well: to be called where the record is made. origin: of its logger."""
    entry = read(record)
    entry.box = current_request.get()
    entry.ids = current_ids()
    if (origin or ORIGINS[record.name]).is_echo:
        entry.text = without_literals(entry.text)
    return entry


def without_literals(text: str) -> str:
    """A statement as a span has it; any other text as it is."""
    return str(mask_statement(text, None)) if _VERB.match(text) else text
