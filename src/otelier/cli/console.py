"""`otelier console`: an OTLP receiver that shows each request in the terminal.

For a first look and for development, in place of a collector. A request is shown once its SERVER
span is there and nothing more of its trace has come for a moment; Ctrl-C shows rates and
percentiles per route and ends. Everything is kept in memory until then.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections import defaultdict

from otelier.cli import route_table, trace_tree
from otelier.cli.receiver import Log, Received, Receiver, Span
from otelier.cli.terminal import Terminal

_QUIET_SECONDS = 1.5  # log records leave every second by default, spans every five
_LOOK_SECONDS = 0.2


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("console", help="show each request in this terminal")
    parser.add_argument("--port", type=int, default=4318, help="port to listen on (4318)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    terminal, traces = Terminal(), Traces()
    try:
        receiver = Receiver(arguments.port, traces.add)
    except (OSError, OverflowError) as error:
        print(f"cannot listen on 127.0.0.1:{arguments.port}: {error}", file=sys.stderr)
        print("hint: another receiver has it; try --port 4319", file=sys.stderr)
        return 1
    with receiver:
        terminal.write(
            f"listening on {receiver.url} for OTLP over HTTP; Ctrl-C shows rates and ends"
        )
        try:
            while True:
                show_finished(traces, terminal)
                time.sleep(_LOOK_SECONDS)
        except KeyboardInterrupt:
            terminal.write("", *route_table.render(receiver.spans, terminal))
    return 0


def show_finished(traces: Traces, terminal: Terminal) -> None:
    for spans, logs in traces.finished():
        terminal.write("", *trace_tree.render(spans, logs, terminal))


class Traces:
    """Traces that have not been shown yet. `add` is called by the receiver's threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans: dict[str, list[Span]] = defaultdict(list)
        self._logs: dict[str, list[Log]] = defaultdict(list)
        self._last: dict[str, float] = {}

    def add(self, arrived: Received) -> None:
        now = time.monotonic()
        with self._lock:
            for span in arrived.spans:
                self._spans[span.trace_id].append(span)
                self._last[span.trace_id] = now
            for log in arrived.logs:
                if log.trace_id:
                    self._logs[log.trace_id].append(log)
                    self._last[log.trace_id] = now

    def forget(self) -> None:
        """Drop what has come so far."""
        with self._lock:
            self._spans.clear()
            self._logs.clear()
            self._last.clear()

    def finished(self) -> list[tuple[list[Span], list[Log]]]:
        """Spans and records of each trace whose request is over, oldest request first."""
        before = time.monotonic() - _QUIET_SECONDS
        with self._lock:
            over = [
                trace_id
                for trace_id, last in self._last.items()
                if last < before and trace_tree.server_span(self._spans[trace_id])
            ]
            taken = [(self._spans.pop(t), self._logs.pop(t, [])) for t in over]
            for trace_id in over:
                del self._last[trace_id]
        return sorted(taken, key=lambda pair: min(span.start for span in pair[0]))
