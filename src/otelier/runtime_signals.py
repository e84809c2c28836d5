"""Rows of the table of signals: what is told of the process, its event loop and its host."""

from __future__ import annotations

from otelier.signal import CODE, Signal, attribute, seconds

LOOP_LAG = "otelier.event_loop.lag"
LOOP_BLOCKED = "otelier.event_loop.blocked_seconds"
LOOP_HELD_BACK = "otelier.event_loop.held_back"
STACK = "code.stacktrace"

_BLOCKED = "record of a blocked event loop"

ROWS: tuple[Signal, ...] = (
    seconds(LOOP_LAG, "how late a callback of the event loop was called", "none"),
    attribute(LOOP_BLOCKED, "how long it was blocked, at least", _BLOCKED, "", "double"),
    attribute(
        LOOP_HELD_BACK,
        "blocked by the same function since the last record: those that had none of their own",
        _BLOCKED,
        "",
        "int",
    ),
    attribute(STACK, "what the event loop ran while it was blocked", _BLOCKED, CODE),
)
