"""Pure: which of the server's errors an exception of redis-py stands for.

The server's reply begins with a word in capitals (`WRONGTYPE Operation against …`). redis-py keeps
it in `status_code` from 8.0 on; before, it drops the word for kinds of error that have a class of
their own, and for `ERR`. The rest of the text may hold keys and values: it is never sent.

Source: Redis serialization protocol, simple errors; semantic conventions, Redis,
`db.response.status_code`.
"""

from __future__ import annotations

from collections.abc import Mapping

from otelier.instrumentation.commands import words

_BY_CLASS: Mapping[str, str] = {
    "AskError": "ASK",
    "BusyLoadingError": "LOADING",
    "ClusterCrossSlotError": "CROSSSLOT",
    "ClusterDownError": "CLUSTERDOWN",
    "ExecAbortError": "EXECABORT",
    "MasterDownError": "MASTERDOWN",
    "MovedError": "MOVED",
    "NoPermissionError": "NOPERM",
    "NoScriptError": "NOSCRIPT",
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "TryAgainError": "TRYAGAIN",
}

# Those that reach the app's exception with their first word on.
_KNOWN = words(
    "BUSY BUSYGROUP BUSYKEY CLUSTERDOWN CROSSSLOT DENIED ERR EXECABORT INPROG INVALIDOBJ IOERR"
    " LOADING MASTERDOWN MISCONF NOADDR NOAUTH NOGOODSLAVE NOGROUP NOMASTERLINK NOPERM NOPROTO"
    " NOQUORUM NOREPLICAS NOSCRIPT NOSUB NOTBUSY NOTREADY OOM READONLY TRYAGAIN UNBLOCKED"
    " UNKILLABLE WRONGPASS WRONGTYPE"
)

_LONGEST = 32
_IN_PIPELINE = "of pipeline caused error: "


def status_code(error: BaseException) -> str | None:
    """The first word of the server's reply; None for an error that the server did not send."""
    kinds = [kind.__name__ for kind in type(error).__mro__ if _is_of_redis(kind)]
    if given := getattr(error, "status_code", None):
        return str(given) if kinds else None
    for kind in kinds:
        if kind in _BY_CLASS:
            return _BY_CLASS[kind]
    return _first_word(error) if "ResponseError" in kinds else None


def _first_word(error: BaseException) -> str:
    text = error.args[0] if error.args and isinstance(error.args[0], str) else ""
    # redis-py puts the command, keys and all, before the reply that a pipeline got.
    _, in_pipeline, reply = text.rpartition(_IN_PIPELINE)
    word = reply.lstrip("('\"").split(" ", 1)[0]
    if word in _KNOWN:
        return word
    # A script may reply with a word of its own. A release with `status_code` has cut off none.
    if not in_pipeline and hasattr(error, "status_code") and _can_be_code(word):
        return word
    return "ERR"


def _can_be_code(word: str) -> bool:
    return len(word) <= _LONGEST and word.isascii() and word.isalpha() and word.isupper()


def _is_of_redis(kind: type) -> bool:
    return kind.__module__ == "redis.exceptions"
