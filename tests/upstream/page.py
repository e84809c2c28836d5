"""docs/upstream.md: the figures of a run of everything, and the reasons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from tests.upstream.results import Ran

_HEAD = """<!-- Written by `make test-upstream UPSTREAM=--write`: do not edit. -->
# Contrib's own tests

Apps name contrib's classes in their own code: `FastAPIInstrumentor.instrument_app(app)`,
`OpenTelemetryMiddleware(app)`, `SQLAlchemyInstrumentor().instrument()` and the like. Otelier puts
stand-ins of the same names in their place, so that the habit keeps its meaning and nothing is
observed twice. `make test-upstream` runs contrib's own tests against them: those of 0.66b1, from
its source distributions, in an environment of their own. None of them is kept in this repository.

A stand-in chooses between two lanes. For the stable names, which Otelier sets, it is our code. For
the names of before 2023 (`http.method`, `db.statement` …), which the user has to ask for, it is
contrib's own code, and ours steps back. Most of contrib's tests ask for the old names.
"""

_OPEN = """## Both lanes, as an app has them

Which code passed a test is counted beside it. "Neither" are tests of functions of contrib's that
nothing of ours touches. "Contrib alone" is the same environment without our stand-ins: FastAPI's
own telemetry, which it knows nothing of, adds spans to some of its tests.
"""

_OURS = """## Our code alone

Contrib's lane is closed here, which no app can do. Each test is run as it is written, and once more
with old names read as the stable ones that replace them; one pass of the two is a pass. Spans for
each ASGI message are wished for, which contrib makes by default and ours on demand. What is left
are differences in what is recorded. They are meant: the stable conventions, and our
[signals](signals.md), come before contrib's habits.
"""


def render(alone: Sequence[Ran], both: Sequence[Ran], ours: Sequence[Ran]) -> str:
    lines = [_HEAD, _OPEN, *_figures_of_both(alone, both), "", *_reasons(both)]
    lines += [_OURS, *_figures(ours), "", *_reasons(ours)]
    return "\n".join(lines).rstrip() + "\n"


def _figures_of_both(alone: Sequence[Ran], both: Sequence[Ran]) -> Iterable[str]:
    yield "| Suite | Pass | On our code | On contrib's | On both | On neither | Contrib alone |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for before, ran in zip(alone, both, strict=True):
        lanes = (ran.passed_on(lane) for lane in ("ours", "contrib", "contrib+ours", "-"))
        cells = (share([ran]), *lanes, share([before]))
        yield f"| {ran.suite} | {' | '.join(map(str, cells))} |"
    sums = (
        sum(ran.passed_on(lane) for ran in both)
        for lane in ("ours", "contrib", "contrib+ours", "-")
    )
    yield f"| all | {share(both)} | {' | '.join(map(str, sums))} | {share(alone)} |"


def _figures(runs: Sequence[Ran]) -> Iterable[str]:
    yield "| Suite | Pass | On our code | On neither |"
    yield "| --- | --- | --- | --- |"
    for ran in runs:
        yield f"| {ran.suite} | {share([ran])} | {_ours(ran)} | {ran.passed_on('-')} |"
    neither = sum(ran.passed_on("-") for ran in runs)
    yield f"| all | {share(runs)} | {sum(map(_ours, runs))} | {neither} |"


def _ours(ran: Ran) -> int:
    return len(ran.passed) - ran.passed_on("-")


def share(runs: Sequence[Ran]) -> str:
    passed, count = sum(len(ran.passed) for ran in runs), sum(ran.count for ran in runs)
    return f"{passed} of {count}, {passed / count:.1%}"


def _reasons(runs: Sequence[Ran]) -> Iterable[str]:
    counts: Mapping[str, dict[str, int]] = defaultdict(dict)
    for ran in runs:
        for group in ran.groups:
            counts[group.reason][ran.suite] = len(group.tests)
    yield "| Tests that do not pass | Why |"
    yield "| --- | --- |"
    for reason, by in sorted(counts.items(), key=lambda item: -sum(item[1].values())):
        yield f"| {', '.join(f'{suite} {count}' for suite, count in by.items())} | {reason} |"
    yield ""
