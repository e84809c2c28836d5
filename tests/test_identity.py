"""Keys, hashes, and what counts as an id or as an e-mail address."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from enum import IntEnum

import pytest

from otelier.identity import Identity, Key, id_text, is_email, user_key
from otelier.loading import load
from otelier.sources import Source, user_sources
from otelier.users import put_in_force


def test_a_key_and_its_name() -> None:
    """`NAME:SECRET`, or a secret alone; none is shown."""
    assert user_key("k2:a:b") == Key(b"a:b", "k2")
    assert user_key("no name, but: a colon") == Key(b"no name, but: a colon")
    assert "swordfish" not in repr(user_key("k1:swordfish"))


def test_a_hash_names_its_key() -> None:
    """HMAC-SHA-256 of the id, in hexadecimal; another key makes another one."""
    expected = hmac.new(b"s", b"alice", hashlib.sha256).hexdigest()
    assert Key(b"s").hash("alice") == expected
    assert Key(b"s", "k1").hash("alice") == f"k1:{expected}"
    assert Key(b"t", "k1").hash("alice") != f"k1:{expected}"


@pytest.mark.parametrize("text", ["a@b", "Alice <a@b.example>", "a%40b.example", "mailto:a@b"])
def test_e_mail_addresses(text: str) -> None:
    """Also within a longer text, and written for a URL."""
    assert is_email(text)
    assert Identity("raw").shown(text) is None


@pytest.mark.parametrize("text", ["alice", "@alice", "alice@", "a @ b", "50%4", "auth0|5f7c"])
def test_what_is_no_e_mail_address(text: str) -> None:
    assert not is_email(text)
    assert Identity("raw").shown(text) == text


class Level(IntEnum):
    """An app's own numbers."""

    HIGH = 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [(7, "7"), (-1, "-1"), (Level.HIGH, "3"), (uuid.UUID(int=2), str(uuid.UUID(int=2)))]
    + [(value, None) for value in (None, False, 1.5, b"x", [], object(), "", 1 << 128)],
)
def test_what_is_an_id(value: object, expected: str | None) -> None:
    """Texts, whole numbers and UUIDs."""
    assert id_text(value) == expected


def test_sources_are_read() -> None:
    """Each kind, in the user's order."""
    text = (
        "scope.user, state.user.id,a.b:C.d:x.y,m:f,claim:https://x/uid,header:X-User@::1|10.1.2.3/8"
    )
    found = user_sources(text)
    assert [(s.kind, s.name, s.path) for s in found] == [
        ("scope", "user", ()),
        ("state", "user", ("id",)),
        ("dependency", "a.b:C.d", ("x", "y")),
        ("dependency", "m:f", ()),
        ("claim", "https://x/uid", ()),
        ("header", "x-user", ()),
    ]
    assert [str(network) for network in found[-1].networks] == ["::1/128", "10.0.0.0/8"]
    assert Source("scope", "user") == found[0]


def test_what_is_wrong_with_them_together() -> None:
    """A mode without its key and a module that is nowhere are said; the app is not imported."""
    here = "tests.test_identity:test_sources_are_read"
    settings = load(
        {
            "OTELIER_USER_ID": "hash",
            "OTELIER_USER_FROM": f"{here},nowhere.at.all:f,json.nothing:f,json:loads,tests.e2e:f",
        }
    )
    try:
        problems = put_in_force(settings)
    finally:
        put_in_force(load({}))
    assert [line.partition(" needs ")[0].partition(":")[0] for line in problems] == [
        "OTELIER_USER_ID='hash'",
        "OTELIER_USER_FROM names 'nowhere.at.all",
        "OTELIER_USER_FROM names 'json.nothing",
    ]
