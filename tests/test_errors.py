"""What an exception is called."""

from __future__ import annotations

import json

import pytest

from otelier.errors import message, type_name


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


def test_a_message_of_postgres_without_its_values() -> None:
    """The class tells that what is quoted in it is one, unless it is a name."""
    error = type("InvalidParameterValue", (Exception,), {"__module__": "psycopg.errors"})
    assert message(error('time zone "x" not known')) == 'time zone "[masked:value]" not known'
    assert message(error('relation "x" is not there\n"y"')) == 'relation "x" is not there\n"y"'
    assert message(ValueError('time zone "x" not known')) == 'time zone "x" not known'
