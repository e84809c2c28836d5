"""What is said of delivery: what is wrong, with whom, and how many records wait or are lost.

A first failure is not said, as the next attempt mostly passes; a loss always is, within a minute.
Runs in the thread that delivers.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence

from otelier import _guard
from otelier.export.account import Channel
from otelier.export.answer import Answer, Fate
from otelier.export.line import Line

_PERIOD = 60.0
_WORDS: Mapping[str, str] = {
    "traces": "span",
    "metrics": "data point",
    "logs": "log record",
}


class Report:
    """Says what there is to say; repeats of a cause are held back by `_guard`."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._channels = channels
        self.reset()

    def reset(self) -> None:
        """Be as new: a forked child has lost nothing yet."""
        self._said: Counter[str] = Counter()
        self._said_at = -_PERIOD
        self._left_behind = ""

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
            kept = ", ".join(filter(None, (f"{self._waiting()} kept", self._spooled())))
            then = f"{kept} and sent again; {self._losses()}"
            _guard.say(f"cannot send to {shown}: {answer.reason}; {then}{hint}", cause=cause)

    def losses(self, *, at_once: bool = False) -> None:
        """Say how many records are lost by now, if it is more than was said."""
        dropped = self._dropped()
        now = time.monotonic()
        if dropped != self._said and (at_once or now - self._said_at >= _PERIOD):
            self._said, self._said_at = dropped, now
            _guard.write(self._losses())

    def undelivered(self, seconds: float) -> None:
        """Say what a flush has left behind, unless it is what was said of the last one."""
        spooled = self._spooled()
        # With a disk at hand, what is not in a batch has come since, and is looked at again.
        packed = self._numbers({channel.signal: channel.packed for channel in self._channels})
        waiting = packed if spooled else self._waiting()
        if (waiting, spooled) == ("nothing", ""):
            return
        text = f"{waiting} not delivered within {seconds:.1f} s" if waiting != "nothing" else ""
        text = "; ".join(filter(None, (text, spooled)))
        if text.partition(" within")[0] != self._left_behind:
            self._left_behind = text.partition(" within")[0]
            line = f"{text}; {self._losses()}"
            # What is on disk is no loss: once is enough. What is not has to be said to the last.
            _guard.say(line, cause="the spool") if waiting == "nothing" else _guard.write(line)

    def taken_over(self, counts: Mapping[str, int]) -> None:
        """Say what an earlier process has left in the spool."""
        found = [_number(count, _WORDS[signal]) for signal, count in counts.items() if count]
        if found:
            _guard.write(f"{', '.join(found)} of an earlier process found in the spool")

    def _waiting(self) -> str:
        return self._numbers({channel.signal: channel.waiting for channel in self._channels})

    def _spooled(self) -> str:
        spooled = self._numbers({channel.signal: channel.spooled for channel in self._channels})
        return "" if spooled == "nothing" else f"{spooled} kept in the spool"

    def _numbers(self, counts: Mapping[str, int]) -> str:
        found = [_number(count, _WORDS[signal]) for signal, count in counts.items() if count]
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
