"""What an exception is called and says."""

from __future__ import annotations

from contextlib import suppress

from otelier.error_texts import mask_quoted


def type_name(error: BaseException) -> str:
    """The qualified class name, without the module for built-ins.

    Source: semantic conventions, `error.type` and `exception.type` ("the fully-qualified class
    name of the exception, if applicable").
    """
    kind = type(error)
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def message(error: BaseException) -> str:
    """Its text; empty where its class, the app's own, cannot say it.

    Of PostgreSQL's without the values in it: that they are, only the class tells.
    """
    try:
        text = str(error)
    except Exception:
        return ""
    return mask_quoted(text) if str(type(error).__module__).startswith(_OF_POSTGRES) else text


_OF_POSTGRES = ("psycopg", "asyncpg", "sqlalchemy.dialects.postgresql")


_RECORDED = "_otelier_recorded"


def mark_recorded(error: BaseException) -> None:
    """Remember that there is a log record of this exception, with the ids of its request."""
    with suppress(Exception):  # its class, the app's own, may have no room for it
        setattr(error, _RECORDED, True)


def is_recorded(error: BaseException) -> bool:
    try:
        return _RECORDED in vars(error)
    except Exception:
        return False
