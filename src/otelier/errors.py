"""Pure: what an exception is called. Categories and fingerprints join it here."""

from __future__ import annotations


def type_name(error: BaseException) -> str:
    """The qualified class name, without the module for built-ins.

    Source: semantic conventions, `error.type` and `exception.type` ("the fully-qualified class
    name of the exception, if applicable").
    """
    kind = type(error)
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"
