"""What an exception is called."""

from __future__ import annotations

import json

import pytest

from otelier.errors import type_name


class Outer:
    class Inner(Exception):
        pass


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ValueError("x"), "ValueError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (json.JSONDecodeError("x", "", 0), "json.decoder.JSONDecodeError"),
        (Outer.Inner(), f"{__name__}.Outer.Inner"),
        (type("Local", (Exception,), {"__module__": "__main__"})(), "Local"),
    ],
)
def test_type_name(error: BaseException, name: str) -> None:
    """Qualified by its module, but for what everybody knows."""
    assert type_name(error) == name
