"""Rows of the table of signals: what is told of exceptions, and how many there are."""

from __future__ import annotations

from otelier.signal import EXCEPTION, Signal, attribute, count

EXCEPTION_TYPE = "exception.type"
EXCEPTION_MESSAGE = "exception.message"
EXCEPTION_STACK = "exception.stacktrace"
ERROR_FINGERPRINT = "otelier.error.fingerprint"
ERROR_CATEGORY = "otelier.error.category"
ERRORS = "otelier.errors"

_ON = "exception event, log record"
_TOLD = "exception event, log record, record of a 5xx answer"

ROWS: tuple[Signal, ...] = (
    attribute(EXCEPTION_TYPE, "class of the exception", _ON, EXCEPTION),
    attribute(EXCEPTION_MESSAGE, "its text", _ON, EXCEPTION),
    attribute(EXCEPTION_STACK, "its traceback", _ON, EXCEPTION),
    attribute(ERROR_FINGERPRINT, "the same for the same bug: SHA-256, 32 digits", _TOLD, ""),
    attribute(ERROR_CATEGORY, "`application`, `infrastructure` or `integration`", _TOLD, ""),
    count(
        ERRORS,
        "requests that ended in an unhandled exception or a 5xx answer",
        "{error}",
        "category, error type, route",
    ),
)
