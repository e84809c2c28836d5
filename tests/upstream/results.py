"""What a run of a suite gave, and how two readings of one suite are put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.upstream.table import Group

PASSED, FAILED = "passed", "failed"


@dataclass(frozen=True)
class Result:
    """One line of the plugin's report. lane: whose code the test ran; why: it failed."""

    outcome: str
    lane: str
    name: str
    why: str = ""


@dataclass(frozen=True)
class Ran:
    """One suite's results, against what was expected of it."""

    suite: str
    results: Sequence[Result]
    groups: Sequence[Group] = ()

    @property
    def expected(self) -> frozenset[str]:
        return frozenset(test for group in self.groups for test in group.tests)

    @property
    def failed(self) -> Mapping[str, str]:
        return {result.name: result.why for result in self.results if result.outcome == FAILED}

    @property
    def passed(self) -> Sequence[Result]:
        return [result for result in self.results if result.outcome == PASSED]

    @property
    def count(self) -> int:
        """Of tests that ran: skipped ones say nothing."""
        return len(self.passed) + len(self.failed)

    def passed_on(self, lane: str) -> int:
        return Counter(result.lane for result in self.passed)[lane]

    def wrong(self) -> Iterable[str]:
        """A sentence for each test that did not do what the table says."""
        known = {result.name for result in self.results}
        failed = self.failed
        for name in sorted(failed.keys() - self.expected):
            yield f"{name} fails, and is not in the table: {failed[name]}"
        for name in sorted(self.expected - failed.keys()):
            yield f"{name} {'passes' if name in known else 'is not there'}, and is in the table"


def either(as_written: Sequence[Result], translated: Sequence[Result]) -> Sequence[Result]:
    """A test passes if it does so in one of the two readings."""
    other = {result.name: result for result in translated}
    return [
        other[result.name] if result.outcome == FAILED and result.name in other else result
        for result in as_written
    ]
