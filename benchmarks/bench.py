"""One run: environments, parts, servers, phases. What cannot be had is noted, never left out.

The runner, the client, the sinks, PostgreSQL and Redis share one core; every server, one at a time
in use, has the other one. A contender that does not install, start, or send what it should is in
`results.absent` with the reason, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks import environments, standing
from benchmarks.contenders import BARE, Contender
from benchmarks.environments import Unavailable
from benchmarks.load import Client
from benchmarks.phases import Phase, Sitting, sittings
from benchmarks.results import Results
from benchmarks.rounds import measure
from benchmarks.serving import NotStarted, Serving
from benchmarks.sink import Sink
from benchmarks.standing import Incomplete, Standing
from benchmarks.starting import start_seconds
from benchmarks.store import Store

Say = Callable[[str], None]


class NoBare(Exception):
    """Without the bare app there is nothing to compare with: why it is not there."""


@dataclass
class Bench:
    """core: of the servers; folder: for what they write; say: told what goes on, line by line."""

    store: Store
    core: int
    folder: Path
    say: Say
    results: Results = field(default_factory=Results)
    programs: dict[str, Path] = field(default_factory=dict)

    def install(self, contenders: Sequence[Contender], source: Path) -> list[Contender]:
        """Those that could be."""
        for contender in contenders:
            self.say(f"environment of {contender.name}")
            try:
                programs = environments.prepare(contender, source)
            except Unavailable as reason:
                self._leave_out(contender, f"not installed: {reason}")
                continue
            self.programs[contender.name] = programs
            self.results.versions[contender.name] = environments.version(contender, programs)
        return [one for one in contenders if one.name in self.programs]

    def run(self, contenders: Sequence[Contender], phases: Sequence[Phase], rounds: int) -> None:
        """Phases that need the same number of routes share their servers."""
        for routes in dict.fromkeys(phase.routes for phase in phases):
            together = [phase for phase in phases if phase.routes == routes]
            for sitting in sittings(together, rounds):
                present = [one for one in contenders if one.name not in self.results.absent]
                self._sit(present, sitting, routes)

    def start(self, contenders: Sequence[Contender], routes: int) -> None:
        """How long each takes to its first answer."""
        present = [one for one in contenders if one.name not in self.results.absent]
        self.say("start to first answer")
        with Sink() as sink:
            self.results.starts = start_seconds(present, partial(self._serving, sink, routes))

    def _sit(self, contenders: Sequence[Contender], sitting: Sitting, routes: int) -> None:
        turns = list(dict.fromkeys(phase.turn for phase in sitting))
        with ExitStack() as stack, Client() as client:
            up = [one for each in contenders for one in self._up(stack, each, routes)]
            self.say(f"warming {len(up)} servers, {routes:,} routes")
            standing.prepare(up, client, turns)
            up = list(self._complete(up, turns))
            for phase, numbers in sitting.items():
                for number, blocks in measure(up, client, phase, numbers):
                    self.results.blocks += blocks
                    self.say(f"{phase.title}: round {number + 1}")
            self.results.ends += [one.end(routes) for one in up]

    def _up(self, stack: ExitStack, contender: Contender, routes: int) -> Iterator[Standing]:
        """It, if it starts."""
        sink = stack.enter_context(Sink())
        try:
            serving = stack.enter_context(self._serving(sink, routes, contender))
        except NotStarted as reason:
            self._leave_out(contender, f"not started: {reason}")
        else:
            yield Standing(contender, serving, sink)

    def _complete(self, up: Sequence[Standing], turns: Sequence[str]) -> Iterator[Standing]:
        """Those that send what is compared; the others are stopped."""
        for one in up:
            try:
                for turn in turns:
                    one.check(turn)
            except Incomplete as reason:
                one.serving.stop()
                self._leave_out(one.contender, f"not compared: {reason}")
            else:
                yield one

    def _serving(self, sink: Sink, routes: int, contender: Contender) -> Serving:
        environ = {
            **self.store.environ,
            **contender.variables(sink.url),
            "BENCH_ROUTES": str(routes),
        }
        programs = self.programs[contender.name]
        return Serving(contender, programs, self.core, self.folder, environ)

    def _leave_out(self, contender: Contender, reason: str) -> None:
        if contender.name == BARE:
            raise NoBare(reason)
        self.say(f"{contender.name}: {reason}")
        self.results.absent[contender.name] = reason
