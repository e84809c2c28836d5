"""Business metrics: counted right, by few attributes, and never in the app's way."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any

import pytest

import otelier
from otelier import _guard
from otelier.sdk import business
from otelier.sdk.cardinality import Sets, is_id
from otelier.sdk.metrics import MOST_SERIES, OVERFLOW
from tests.conftest import Telemetry

IDS = [
    str(uuid.uuid4()),
    uuid.uuid4().hex,
    "order-7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "1234567",
    "order 123456",
    "+1-555-123-4567",
    "2026-02-07T12:00:00Z",
    "ada@example.org",
    "ada%40example.org",
    "d41d8cd98f00b204e9800998ecf8427e",
    "a1b2c3d",
    "507f1f77bcf86cd799439011",
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "cus_9s6XKzkNRiz8i3",
]
WORDS = [
    "welcome",
    "premium-plus",
    "GET",
    "v1beta2",
    "feed2024",
    "2026-02",
    "http2",
    "200",
    "65535",
    "1.5",
    "Straße",
    "createWorkflowFromTemplate",
    "utf8mb4",
    "s3",
    "eu-central-1",
    "",
]


class Plan(StrEnum):
    FREE = "free"


@pytest.fixture(autouse=True)
def none_yet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test makes its metrics anew, and every line may be said."""
    made: dict[str, business.Metric] = {}
    monkeypatch.setattr(business, "_made", made)
    _guard._said_at.clear()
    _guard.faults.clear()
    yield
    for gauge in made.values():
        if isinstance(gauge, business.BusinessGauge):
            gauge._read = None
            gauge.forget()


@pytest.fixture
def name() -> Iterator[str]:
    """A name that no other test has given to the SDK."""
    yield f"test.{next(_numbers)}"
    assert dict(_guard.faults) == {}


_numbers = iter(range(1000))


def values(telemetry: Telemetry, name: str) -> dict[Any, Any]:
    """What arrived, by attributes."""
    points = telemetry.points().get(name, [])
    return {frozenset(dict(p.attributes).items()): getattr(p, "value", None) for p in points}


def by(**attributes: Any) -> frozenset[tuple[str, Any]]:
    return frozenset(attributes.items())


def test_a_counter(telemetry: Telemetry, name: str) -> None:
    """Sums by attributes, given as a mapping or by name."""
    counter = otelier.business_counter(name, unit="{workflow}")
    counter.add()
    counter.add(2, {"plan": "free"})
    counter.add(3, plan=Plan.FREE)
    counter.add(4, {"plan": "free"}, kind=None)  # type: ignore[arg-type]
    counter.add(Decimal("0.5"), big=True)
    assert values(telemetry, name) == {by(): 1, by(plan="free"): 9, by(big=True): 0.5}


def test_a_gauge(telemetry: Telemetry, name: str) -> None:
    """The last value of each set, sent again and again; or what is read."""
    gauge = otelier.business_gauge(name)
    gauge.set(7, queue="mail")
    gauge.set(-3.5, queue="mail")
    gauge.set(2)
    for _ in range(2):
        assert values(telemetry, name) == {by(queue="mail"): -3.5, by(): 2}
    otelier.business_gauge(f"{name}.read", read=lambda: Fraction(1, 2))  # type: ignore[arg-type,return-value]
    assert values(telemetry, f"{name}.read") == {by(): 0.5}


def test_a_histogram(telemetry: Telemetry, name: str) -> None:
    """With its own boundaries."""
    histogram = otelier.business_histogram(name, boundaries=(1, 10))
    for amount in (0.5, 5, 50):
        histogram.record(amount, plan="free")
    (point,) = telemetry.points()[name]
    assert (point.sum, list(point.bucket_counts)) == (55.5, [1, 1, 1])
    assert list(point.explicit_bounds) == [1, 10]


def test_the_same_again(name: str) -> None:
    """A name stands for one metric, wherever it is asked for; of another kind it is an error."""
    counter = otelier.business_counter(name)
    assert otelier.business_counter(name.upper()) is counter
    with pytest.raises(ValueError, match="it is a BusinessCounter already"):
        otelier.business_gauge(name)
    assert repr(counter) == f"<BusinessCounter {name}>"


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "7up",
        "a b",
        "ä",
        "x" * 256,
        "otelier.x",
        "otel.sdk.x",
        "http.server.request.duration",
        f"made.{uuid.uuid4()}",
        None,
        b"workflow.created",
    ],
)
def test_a_wrong_name(wrong: Any) -> None:
    """An error that says why, where the metric is made; so is a wrong unit or boundary."""
    makers = (otelier.business_counter, otelier.business_gauge, otelier.business_histogram)
    for make in makers:
        with pytest.raises(ValueError, match=r"business metric .*: (a name is|that name|it looks)"):
            make(wrong)
    with pytest.raises(ValueError, match="a unit is"):
        otelier.business_counter("fine", unit="ö")
    for boundaries in ((2, 1), (1, 1), (1, float("inf"))):
        with pytest.raises(ValueError, match="boundaries are numbers that ascend"):
            otelier.business_histogram("fine", boundaries=boundaries)
    assert business._made == {}


@pytest.mark.parametrize("text", IDS)
def test_ids_are_left_out(
    text: str, telemetry: Telemetry, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The measurement counts, its other attributes stay, and one line says it, without the id."""
    counter = otelier.business_counter(name)
    for _ in range(3):
        counter.add(1, kind=text, plan="free")
    assert values(telemetry, name) == {by(plan="free"): 3}
    (line,) = capfd.readouterr().err.splitlines()
    assert line == (
        f"otelier: business metric {name!r}: attribute 'kind' left out, its value looks like"
        " an id, of which there are too many for a metric"
    )


@pytest.mark.parametrize("text", WORDS)
def test_words_stay(text: str) -> None:
    """What only looks a little like an id."""
    assert not is_id(text)
    assert Sets("m").kept({"kind": text}) == {"kind": text}


@pytest.mark.parametrize(
    "key",
    [
        *("user_id", "request_id", "user.id", "http.request.id", "userId", "USER_ID", "trace-id"),
        *("requestid", "email", "customer_email", "uuid", "k123456", str(uuid.uuid4()), "", "a b"),
        *("7up", "x" * 65),
    ],
)
def test_keys_of_ids(
    key: str, telemetry: Telemetry, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Left out whatever their value is."""
    otelier.business_counter(name).add(1, {key: "few", "paid": "yes", "grid.valid": 1})
    assert values(telemetry, name) == {by(paid="yes", **{"grid.valid": 1}): 1}
    assert len(capfd.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    "value", [["a"], {"a": 1}, b"a", object(), uuid.uuid4(), "x" * 65, 1e-7 / 3, "a\nb", "\ud800"]
)
def test_values_of_no_use(value: Any, telemetry: Telemetry, name: str) -> None:
    """They are left out as well."""
    otelier.business_counter(name).add(1, kind=value)
    assert values(telemetry, name) == {by(): 1}


@pytest.mark.parametrize(
    "amount",
    [-1, -0.5, float("nan"), float("inf"), 2**63, 10**400, "1", None, b"1", [1], Decimal("NaN")],
)
def test_amounts_of_no_use(
    amount: Any, telemetry: Telemetry, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not counted, said in one line, raised never."""
    otelier.business_counter(name).add(amount)
    otelier.business_histogram(f"{name}.h").record(amount)
    found = telemetry.points()
    assert name not in found
    assert f"{name}.h" not in found
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("left out, expected a number of 0 or more in 64 bits")


def test_attributes_that_are_none(telemetry: Telemetry, name: str) -> None:
    """No mapping at all: the measurement still counts."""
    otelier.business_counter(name).add(1, ["plan"])  # type: ignore[arg-type]
    otelier.business_counter(name).add(1, ["plan"], kind="x")  # type: ignore[arg-type]
    assert values(telemetry, name) == {by(): 1, by(kind="x"): 1}


def test_a_read_that_fails(telemetry: Telemetry, name: str) -> None:
    """It costs its own value alone, and is a fault."""

    def fails() -> int:
        raise LookupError("no queue")

    gauge = otelier.business_gauge(name, read=fails)
    gauge.set(1, queue="mail")
    assert values(telemetry, name) == {by(queue="mail"): 1}
    assert list(_guard.faults) == [f"reading business metric {name!r}"]
    _guard.faults.clear()


def test_more_sets_than_there_is_room_for(
    telemetry: Telemetry, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The rest is one series, of the name that the specification gives; nothing is lost."""
    counter = otelier.business_counter(name)
    for n in range(MOST_SERIES + 50):
        counter.add(1, shelf=n)
    counter.add(5, shelf=0)
    found = values(telemetry, name)
    assert len(found) == MOST_SERIES + 1
    assert found[frozenset(OVERFLOW.items())] == 50
    assert found[by(shelf=0)] == 6
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_more_metrics_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """They can be used, and go nowhere."""
    monkeypatch.setattr(business, "MOST_METRICS", 0)
    otelier.business_counter("one.more").add()
    otelier.business_gauge("one.more").set(1)
    assert business._made == {}


def test_threads_and_tasks(telemetry: Telemetry, name: str) -> None:
    """Every count is there, and no set beyond the bound."""
    counter = otelier.business_counter(name)

    def work() -> None:
        for n in range(500):
            counter.add(1, kind=n % 20)

    async def task() -> None:
        for n in range(500):
            counter.add(1, kind=n % 20)
            await asyncio.sleep(0)

    async def tasks() -> None:
        await asyncio.gather(*(task() for _ in range(4)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    asyncio.run(tasks())
    for thread in threads:
        thread.join()
    assert values(telemetry, name) == {by(kind=n): 200 for n in range(20)}


def test_the_bound_holds_in_threads() -> None:
    """A race costs a place, and never adds one."""
    sets = Sets("m", most=50)
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        for n in range(200):
            sets.kept({"n": n})

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 40 < len(sets._known) <= 50


_FORKS = """
import os
import otelier
from opentelemetry.sdk.resources import Resource
from otelier.sdk.providers import Providers

early = otelier.business_counter("early")
early.add(100)
providers = Providers(Resource({}))
providers.install()
counter, gauge = otelier.business_counter("made"), otelier.business_gauge("level")
early.add(1)
counter.add(10, plan="free")
gauge.set(5)

def told():
    found = {}
    for data in providers.collect():
        for scope in data.resource_metrics[0].scope_metrics:
            for metric in scope.metrics:
                found[metric.name] = [point.value for point in metric.data.data_points]
    return found

if child := os.fork():
    assert os.waitpid(child, 0)[1] == 0
    counter.add(1, plan="free")
else:
    counter.add(2, plan="free")
print(sorted(told().items()), flush=True)
os._exit(0)
"""


def run(program: str, **variables: str) -> str:
    environ = {**os.environ, **variables}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environ, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_before_providers_and_after_a_fork() -> None:
    """What is made early counts once there are providers; a child says what it has counted."""
    child, parent = run(_FORKS).splitlines()
    assert child == "[('made', [2])]"
    assert parent == "[('early', [1]), ('level', [5]), ('made', [11])]"


@pytest.mark.parametrize("variables", [{}, {"OTEL_SDK_DISABLED": "true"}])
def test_without_a_running_otelier(variables: dict[str, str]) -> None:
    """Nothing happens, and nothing is said; a wrong name is wrong there too."""
    program = """
import otelier
otelier.business_counter("workflow.created").add(1, plan="free")
otelier.business_gauge("user.active", read=lambda: 1).set(3)
otelier.business_histogram("order.value").record(9.99)
try:
    otelier.business_counter("7up")
except ValueError as error:
    print("on")
"""
    assert run(program, **variables) == "on\n"
