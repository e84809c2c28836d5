"""The word that the server said, found in the exceptions of redis-py."""

from __future__ import annotations

import pytest
import redis
from redis import exceptions

from otelier.instrumentation.replies import status_code

HAS_CODES = hasattr(exceptions.ResponseError(), "status_code")

try:
    from redis._parsers import BaseParser as Parser
except ImportError:  # redis-py 4
    from redis.connection import BaseParser as Parser


@pytest.mark.parametrize(
    "reply",
    [
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "ERR unknown command 'SECRET'",
        "ERR SECRET is not allowed",
        "ERR",
        "NOSCRIPT No matching script.",
        "OOM command not allowed",
        "READONLY You can't write against a read only replica.",
        "BUSYGROUP Consumer Group name already exists",
        "EXECABORT Transaction discarded",
        "LOADING Redis is loading the dataset in memory",
        "NOPERM this user has no permissions",
        "MISCONF Redis is configured to save",
        pytest.param("MYOWN said the script", marks=pytest.mark.skipif(not HAS_CODES, reason="")),
    ],
)
def test_replies(reply: str) -> None:
    """What redis-py makes of a reply of the server gives back its first word."""
    assert status_code(Parser.parse_error(reply)) == reply.split(" ")[0]


def test_in_a_pipeline() -> None:
    """A key that looks like a reply is none."""
    text = "Command # 1 (GET of pipeline caused error: SECRET x) of pipeline caused error: {}"
    for reply in ("WRONGTYPE Operation", "('WRONGTYPE Operation',)"):
        assert status_code(exceptions.ResponseError(text.format(reply))) == "WRONGTYPE"
    assert status_code(exceptions.ResponseError(text.format("SECRET x"))) == "ERR"


class Mine(exceptions.NoScriptError):
    """An app's own kind of it."""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Mine("no such script"), "NOSCRIPT"),
        (redis.ConnectionError("Error 111 connecting to host:6379"), None),
        (redis.TimeoutError("Timeout reading from socket"), None),
        (redis.WatchError("Watched variable changed."), None),
        (redis.DataError("ERR no"), None),
        (ValueError("WRONGTYPE"), None),
        (exceptions.ResponseError(), "ERR"),
        (exceptions.ResponseError(7), "ERR"),
    ],
)
def test_others(error: BaseException, code: str | None) -> None:
    """What the server did not say has no code."""
    assert status_code(error) == code
