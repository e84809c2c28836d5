"""Headers that the user wants on the span: how much of them is shown."""

from __future__ import annotations

import re

from otelier.instrumentation.asked import Askings
from otelier.instrumentation.headers import Headers, text_of
from tests.instrumentation.asking import scope_of

EVERY = (re.compile(".*"),)


def test_an_id_that_is_none_is_not_shown() -> None:
    """Under whatever name the user has the id come; other headers are as they are."""
    headers = Headers(request=EVERY, ids=("x-ref", "x-other"))
    pairs = [
        (b"X-Ref", b"the-id"),
        (b"x-ref", b"\x1b[31mplanted"),
        (b"x-other", b"a" * 65),
        (b"x-free", b"a b"),
    ]
    assert headers.of_request(pairs) == {
        "http.request.header.x-ref": ("the-id", "[masked:value]"),
        "http.request.header.x-other": ("[masked:value]",),
        "http.request.header.x-free": ("a b",),
    }


def test_a_long_value_is_masked_before_it_is_cut() -> None:
    """Half a secret would look like none."""
    for before in range(900, 1025):
        value = b"x" * before + b" postgresql://bob:swordfish@db.example/crm " + b"y" * 2000
        (shown,) = Headers(request=EVERY).of_request([(b"x-note", value)]).values()
        assert "swor" not in shown[0]
        assert len(shown[0]) == 1024
    assert text_of(b"z" * 300, 256) == "z" * 256


def test_a_host_has_no_password() -> None:
    """What stands before an `@` is no part of a host; its port is known all the same."""
    hosts = (b"bob:swordfish@shop.example:8443", b"swordfish@shop.example:8443")
    for host in hosts:
        asked = Askings().find(scope_of("/"), {b"host": host})
        found = asked.preset["server.address"], asked.preset["server.port"]
        assert found == ("shop.example", 8443)
