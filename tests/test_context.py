"""Request ids, and the box that carries them."""

from __future__ import annotations

import time
import uuid

import pytest

from otelier.context import RequestContext, find_request_id, new_request_id

NAME = b"x-request-id"


def accepted(value: bytes | None) -> str:
    """The id that a request has whose header has this value, or that has none."""
    pairs = [] if value is None else [(NAME, value)]
    return find_request_id(dict(pairs), pairs, (NAME,))


GOOD = ["a", "0", "A.b_c-9", "x" * 64, "01890a5d-ac96-774b-bcce-b302099a8057"]
HOSTILE = [
    b"",
    b" ",
    b"x" * 65,
    b"a b",
    b"a\n",
    b"a\r\nSet-Cookie: x=1",
    b"<script>",
    b"../../etc",
    b"${jndi:ldap}",
    b"\x00",
    b"\xff\xfe",
    "é".encode(),
    "é".encode("latin-1"),
    "１".encode(),
]


@pytest.mark.parametrize("value", GOOD)
def test_a_good_id_is_taken(value: str) -> None:
    """Letters, digits, dot, underscore and hyphen, up to 64 of them."""
    assert accepted(value.encode()) == value


@pytest.mark.parametrize("value", [None, *HOSTILE])
def test_any_other_is_replaced(value: bytes | None) -> None:
    """Nothing of a refused id is kept."""
    assert uuid.UUID(accepted(value)).version == 7


def test_version_and_variant() -> None:
    """The bits that RFC 9562 fixes, in the canonical text."""
    for _ in range(1000):
        text = new_request_id()
        made = uuid.UUID(text)
        assert (made.version, made.variant, str(made)) == (7, uuid.RFC_4122, text)


def test_the_time_is_in_it() -> None:
    """The first 48 bits are milliseconds since 1970."""
    before = time.time_ns() // 1_000_000
    stamp = uuid.UUID(new_request_id()).int >> 80
    assert before <= stamp <= time.time_ns() // 1_000_000


def test_ids_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """An id of a later millisecond is the greater text, whatever is random in both."""
    made = []
    for millisecond in (0, 1, 2**20, 2**40, 2**47, 2**48 - 1):
        monkeypatch.setattr(time, "time_ns", lambda now=millisecond: now * 1_000_000)
        made.append(new_request_id())
    assert made == sorted(made)


def test_ids_are_unique() -> None:
    """Twenty thousand at once, without one twice."""
    assert len({new_request_id() for _ in range(20_000)}) == 20_000


def test_every_random_bit_varies() -> None:
    """74 bits are random: each is set in some ids and clear in others."""
    ids = [uuid.UUID(new_request_id()).int for _ in range(500)]
    ever = always = ids[0]
    for one in ids:
        ever, always = ever | one, always & one
    random_bits = (0xFFF << 64) | ((1 << 62) - 1)
    assert (ever & random_bits, always & random_bits) == (random_bits, 0)


def test_attributes() -> None:
    """What is not known is not there."""
    box = RequestContext("r")
    assert box.attributes() == {"http.request.id": "r"}
    box.user_id, box.session_id = "u", "s"
    assert box.attributes() == {"http.request.id": "r", "user.id": "u", "session.id": "s"}


def test_contribs_word_for_what_is_not_observed() -> None:
    """It is written out in `_upstream`, whose import is not to bring contrib's module with it."""
    from opentelemetry.instrumentation import utils

    from otelier._upstream import SUPPRESSIONS, current_context, unobserved

    assert SUPPRESSIONS[1] == utils._SUPPRESS_INSTRUMENTATION_KEY_PLAIN
    with unobserved():
        assert not utils.is_instrumentation_enabled()
        assert all(current_context().get(key) for key in SUPPRESSIONS)
    assert utils.is_instrumentation_enabled()
