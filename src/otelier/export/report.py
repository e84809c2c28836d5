"""What is said of delivery: what is wrong, with whom, and how many records wait or are lost.

A first failure is not said, as the next attempt mostly passes; a loss always is, within a minute.
Runs in the thread that delivers.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from otelier import _guard
from otelier.export.answer import Answer, Fate
from otelier.export.line import Line
from otelier.export.queue import Queue

_PERIOD = 60.0
_WORDS: Mapping[str, str] = {
    "traces": "span",
    "metrics": "data point",
    "logs": "log record",
}


@dataclass(frozen=True)
class Channel:
    """One signal: its queue (metrics have none) and the line to each of its sinks."""

    signal: str
    lines: Sequence[Line]
    queue: Queue | None = None

    @property
    def waiting(self) -> int:
        packed = max((line.waiting + line.in_flight for line in self.lines), default=0)
        return packed + (len(self.queue) if self.queue is not None else 0)

    @property
    def dropped(self) -> Counter[str]:
        total = Counter(self.queue.dropped) if self.queue is not None else Counter[str]()
        for line in self.lines:
            total.update(dict(line.dropped))
        return +total

    def make_room(self) -> None:
        """Count what the lines hold against the queue; the emptiest decides."""
        if self.queue is not None:
            self.queue.leave(min((line.waiting for line in self.lines), default=0))


@dataclass(frozen=True)
class Balance:
    """What has become of the records of one signal, for one sink.

    recorded == delivered + queued + in_flight + sum(dropped.values()) whenever the worker is idle.
    """

    signal: str
    sink: str
    recorded: int
    delivered: int
    queued: int
    in_flight: int
    dropped: Mapping[str, int] = field(default_factory=dict)


def balance(channel: Channel, line: Line) -> Balance:
    queue = channel.queue
    dropped = Counter(dict(line.dropped))
    if queue is not None:
        dropped.update(queue.dropped)
    return Balance(
        signal=channel.signal,
        sink=line.sink.shown,
        recorded=queue.recorded if queue is not None else line.recorded,
        delivered=line.delivered,
        queued=line.waiting + (len(queue) if queue is not None else 0),
        in_flight=line.in_flight + (queue.packing if queue is not None else 0),
        dropped=dict(+dropped),
    )


class Report:
    """Says what there is to say; repeats of a cause are held back by `_guard`."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._channels = channels
        self.reset()

    def reset(self) -> None:
        """Be as new: a forked child has lost nothing yet."""
        self._said: Counter[str] = Counter()
        self._said_at = -_PERIOD

    def answered(self, line: Line, answer: Answer) -> None:
        """Say what an attempt came to, if it is worth it."""
        shown, words = line.sink.shown, _WORDS[line.sink.signal]
        cause = f"{shown}: {answer.reason}"
        hint = f" (hint: {answer.hint})" if answer.hint else ""
        if answer.fate is Fate.DELIVERED and (answer.rejected or answer.reason):
            lost = _number(answer.rejected, words)
            _guard.say(f"{shown} rejected {lost}, which are lost: {answer.reason!r}", cause=cause)
        elif answer.fate in (Fate.REFUSED, Fate.TOO_LARGE):
            _guard.say(f"{shown}, {line.sink.signal}: {answer.reason}{hint}", cause=cause)
        elif answer.fate is Fate.SLOWLY or line.failures > 1:
            cause = f"{line.sink.place}: {answer.reason}"
            then = f"{self._waiting()} kept and sent again; {self._losses()}"
            _guard.say(f"cannot send to {shown}: {answer.reason}; {then}{hint}", cause=cause)

    def losses(self, *, at_once: bool = False) -> None:
        """Say how many records are lost by now, if it is more than was said."""
        dropped = self._dropped()
        now = time.monotonic()
        if dropped != self._said and (at_once or now - self._said_at >= _PERIOD):
            self._said, self._said_at = dropped, now
            _guard.write(self._losses())

    def undelivered(self, seconds: float) -> None:
        """Say what a flush has left behind."""
        text = f"{self._waiting()} not delivered within {seconds:.1f} s"
        _guard.say(text, cause="flushing")

    def _waiting(self) -> str:
        waiting = {channel.signal: channel.waiting for channel in self._channels}
        found = [_number(count, _WORDS[signal]) for signal, count in waiting.items() if count]
        return ", ".join(found) or "nothing"

    def _dropped(self) -> Counter[str]:
        dropped: Counter[str] = Counter()
        for channel in self._channels:
            for reason, count in channel.dropped.items():
                dropped[f"{_WORDS[channel.signal]} {reason}"] = count
        return dropped

    def _losses(self) -> str:
        texts = [
            f"{_number(sum(channel.dropped.values()), _WORDS[channel.signal])}"
            f" ({', '.join(f'{reason}: {n}' for reason, n in channel.dropped.items())})"
            for channel in self._channels
            if channel.dropped
        ]
        return f"lost so far: {', '.join(texts) or 'nothing'}"


def _number(count: int, word: str) -> str:
    return f"{count} {word}" + ("" if count == 1 else "s")
