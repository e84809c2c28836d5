"""An exception as attributes: of a span's event, of a log record.

Pure; paid for an exception that is told. Nothing here raises an `Exception`.

Source: semantic conventions, exceptions in spans and in logs.
"""

from __future__ import annotations

from otelier.categories import category
from otelier.error_signals import (
    ERROR_CATEGORY,
    ERROR_FINGERPRINT,
    EXCEPTION_MESSAGE,
    EXCEPTION_STACK,
    EXCEPTION_TYPE,
)
from otelier.errors import message, type_name
from otelier.fingerprints import fingerprint
from otelier.tracebacks import stack_of


def attributes_of(error: BaseException, place: str = "") -> dict[str, str]:
    """place: as for `fingerprint`."""
    return {
        EXCEPTION_TYPE: type_name(error),
        EXCEPTION_MESSAGE: message(error),
        EXCEPTION_STACK: stack_of(error),
        ERROR_FINGERPRINT: fingerprint(error, place),
        ERROR_CATEGORY: category(error),
    }
