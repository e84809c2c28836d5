"""Faults of ours: counted, said at most once a minute, in one line."""

from __future__ import annotations

import io
import sys

import pytest

from otelier import _guard


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Its one element is what the time is. Nothing has been said yet."""
    now = [1000.0]
    for name, empty in (("_said_at", {}), ("_held_back", type(_guard._held_back)())):
        monkeypatch.setattr(_guard, name, empty)
    monkeypatch.setattr(_guard, "faults", type(_guard.faults)())
    monkeypatch.setattr(_guard.time, "monotonic", lambda: now[0])
    return now


def test_once_a_minute(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """The first of a minute is said; the next says how many were held back."""
    for second in (0, 1, 59.9):
        clock[0] = 1000 + second
        _guard.say("lost", cause="a")
    assert capsys.readouterr().err == "otelier: lost\n"
    clock[0] = 1060
    _guard.say("lost", cause="a")
    assert capsys.readouterr().err == "otelier: lost (and 2 times since it was last said)\n"
    clock[0] = 1120
    _guard.say("lost", cause="a")
    assert capsys.readouterr().err == "otelier: lost\n"


def test_each_cause_for_itself(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """One cause does not hide another."""
    _guard.say("one", cause="a")
    _guard.say("two", cause="b")
    assert capsys.readouterr().err == "otelier: one\notelier: two\n"


def test_every_fault_is_counted(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """Said once, counted each time."""
    for _ in range(3):
        _guard.fault("masking", ValueError("bad"))
    assert dict(_guard.faults) == {"masking": 3}
    line = "otelier: masking failed: ValueError: bad; the app goes on\n"
    assert capsys.readouterr().err == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb\r\nc", "a\\nb\\r\\nc"),
        ("café", "caf\\xe9"),
        ("\ud800", "\\ud800"),
        ("\u2028", "\\u2028"),
        ("\x85", "\\x85"),
    ],
)
def test_one_line(text: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the text holds, it is one line of ASCII."""
    _guard.write(text)
    assert capsys.readouterr().err == f"otelier: {line}\n"


def test_an_error_without_words(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """An exception that cannot say what it is, is named by its class."""

    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    _guard.fault("masking", Silent())
    assert capsys.readouterr().err == "otelier: masking failed: Silent; the app goes on\n"


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "no space left")


def _closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, Full(), _closed()], ids=["missing", "full", "closed"])
def test_nobody_to_tell(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None) -> None:
    """A stderr that takes nothing is no reason to fail."""
    monkeypatch.setattr(sys, "stderr", stream)
    _guard.write("lost")
