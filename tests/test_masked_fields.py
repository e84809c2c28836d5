"""The quick mask of the fields of a log line hides what the thorough one hides."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from otelier import privacy
from otelier.privacy import Policy, mask_deep, mask_field
from tests.secrets_corpus import CANARY, KEYS, ORDINARY_KEYS, PLANTED, SHAPED

CARD = 4111_1111_1111_1111


class Text(str):
    pass


class Number(int):
    pass


NAMES = (*KEYS, *ORDINARY_KEYS, *privacy.IDS, *privacy.STATEMENTS, "url.query", "url.full", "", "x")
VALUES = (
    *SHAPED.values(), *PLANTED,
    "c-118", "", "a@example.org", "10.1.2.3", "?q=x", "select 'x'", Text(f"token={CANARY}"),
    4711, 0, -1, True, None, 19.5, float("nan"), CARD, -CARD, Number(CARD), 10**13, 2**70,
    b"x", [CARD, "x"], ("a",), {"password": "x", "at": {"n": CARD}}, {1, 2}, object,
)  # fmt: skip


def no_customers(path: str, value: Any) -> Any:
    return "somebody" if path == "x" else value


@pytest.fixture(
    params=[Policy(), Policy(email=True, ip=True), Policy(rules=(no_customers,))],
    ids=["default", "addresses", "rules"],
)
def policy(request: pytest.FixtureRequest) -> Iterator[None]:
    privacy.use(request.param)
    yield
    privacy.use(Policy())


@pytest.mark.usefixtures("policy")
def test_it_hides_what_the_thorough_one_hides() -> None:
    """Under each key, each value, each policy; the first time and when the key is known."""
    for name, value in [*product(NAMES, VALUES)] * 2:
        found, wanted = mask_field(name, value), mask_deep(name, value)
        assert (type(found), repr(found)) == (type(wanted), repr(wanted)), (name, value)


def test_it_counts_what_it_hides() -> None:
    privacy.masked.clear()
    mask_field("note", f"password={CANARY}")
    mask_field("order", CARD)
    assert privacy.masked == {"password": 1, "card": 1}


def test_a_policy_holds_for_keys_that_are_known() -> None:
    assert mask_field("x", "an order") == "an order"
    privacy.use(Policy(rules=(no_customers,)))
    try:
        assert mask_field("x", "an order") == "somebody"
    finally:
        privacy.use(Policy())
    assert mask_field("x", "an order") == "an order"


def test_keys_that_are_data_do_not_stay() -> None:
    for number in range(10_000):
        mask_field(f"order {number}", number)
    mask_field("k" * 100_000, "x")
    assert len(privacy._ordinary) <= 4096
    assert not any(len(key) > 1000 for key in privacy._ordinary)
