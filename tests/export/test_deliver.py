"""Delivery against a real receiver that misbehaves: nothing is lost that is not counted."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from otelier import _guard
from otelier.export import line
from otelier.export.deliver import Delivery
from otelier.export.queue import QUEUE_FULL, STOPPED
from otelier.export.sinks import ExporterSink, Sink
from parts import free_ports
from tests.export.receiver import (
    Receiver,
    answer,
    eventually,
    hang,
    partial,
    receiving,
    reset,
    trickle,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def nothing_was_said() -> None:
    _guard.faults.clear()
    _guard._said_at.clear()
    _guard._held_back.clear()


@contextmanager
def delivering(*sinks: Sink, **more: Any) -> Iterator[Delivery]:
    delivery = Delivery(sinks, **{"interval": 0.02, **more})
    try:
        yield delivery
    finally:
        delivery.shutdown(0.0)


def put(delivery: Delivery, count: int, prefix: str = "r") -> list[str]:
    names = [f"{prefix}{n}" for n in range(count)]
    for name in names:
        delivery.spans.put(name)
    return names


def check(delivery: Delivery, recorded: int, **dropped: int) -> None:
    """The account is even, and as expected."""
    for balance in delivery.account:
        if balance.signal == "traces":
            assert balance.recorded == recorded
            assert balance.dropped == {key.replace("_", " "): n for key, n in dropped.items()}
            lost = sum(balance.dropped.values())
            assert balance.recorded == (
                balance.delivered + balance.queued + balance.in_flight + lost
            )


class Times:
    """Runs of the clock."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    @property
    def passed(self) -> float:
        return time.monotonic() - self.began


def test_everything_arrives() -> None:
    """By itself, without a flush, each record once."""
    with receiving() as receiver, delivering(receiver.sink()) as delivery:
        names = put(delivery, 5000)
        assert eventually(lambda: len(receiver.taken) == 5000)
        assert receiver.taken == names
        assert eventually(lambda: delivery.account[0].delivered == 5000)
        check(delivery, 5000)
        assert receiver.server.connections == 1


def test_a_batch_has_its_limit() -> None:
    """No request carries more than 2,048 records."""
    with receiving() as receiver, delivering(receiver.sink(), interval=5) as delivery:
        put(delivery, 10_000)
        assert delivery.flush(5)
        assert len(receiver.taken) == 10_000
        assert len(receiver.requests) >= 5
        assert max(receiver.sizes) < 2_048 * 12 + 100


def test_many_records_do_not_wait_for_the_clock() -> None:
    """A burst wakes the thread long before its time."""
    with receiving() as receiver, delivering(receiver.sink(), interval=60) as delivery:
        put(delivery, 500)
        assert not eventually(lambda: receiver.taken, 0.2)
        put(delivery, 100)
        assert eventually(lambda: len(receiver.taken) >= 513)


def test_many_threads_while_it_delivers() -> None:
    """Every record of eight threads is delivered once, or counted as dropped."""
    with receiving() as receiver, delivering(receiver.sink(), capacity=3000) as delivery:
        each = 5_000
        threads = [threading.Thread(target=put, args=(delivery, each, f"{n}-")) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert delivery.flush(10)
        lost = delivery.dropped["traces", QUEUE_FULL]
        assert len(set(receiver.taken)) == len(receiver.taken) == 8 * each - lost
        check(delivery, 8 * each, **({"queue_full": lost} if lost else {}))


@pytest.mark.parametrize(
    "step",
    [
        answer(429, Retry_After="1"),
        answer(500),
        answer(502),
        answer(503),
        answer(504),
        hang(),
    ],
    ids=["429", "500", "502", "503", "504", "hang"],
)
def test_a_passing_trouble_loses_nothing(step: Callable[[Any], None]) -> None:
    """Twice, then well: all arrives, once."""
    with receiving(step, step) as receiver, delivering(receiver.sink(timeout=0.3)) as delivery:
        names = put(delivery, 50)
        assert delivery.flush(10)
        assert receiver.taken == names
        assert len(receiver.requests) == 3
        check(delivery, 50)


@pytest.mark.parametrize("step", [reset, trickle], ids=["reset", "trickle"])
def test_a_broken_answer(step: Callable[[Any], None]) -> None:
    """An answer that comes too slowly is none; one that breaks after its status counts."""
    with receiving(step) as receiver, delivering(receiver.sink(timeout=0.3)) as delivery:
        put(delivery, 1)
        assert delivery.flush(10)
        assert len(receiver.requests) == (1 if step is reset else 2)
        check(delivery, 1)


def test_retry_after_is_honoured() -> None:
    """Not asked again before the time that the receiver named."""
    busy = answer(429, Retry_After="1")
    with receiving(busy) as receiver, delivering(receiver.sink()) as delivery:
        put(delivery, 1)
        assert eventually(lambda: len(receiver.requests) == 1)
        time.sleep(0.9)
        asked = len(receiver.requests)
        assert eventually(lambda: receiver.taken == ["r0"])
        assert asked == 1


def test_an_outage(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody there, records come all the time; then somebody: all arrives, and 1 to 3 lines."""
    (port,) = free_ports(1)
    with ExitStack() as stack:
        before = Receiver(port=port)
        before.close()
        delivery = stack.enter_context(delivering(before.sink()))
        names = []
        for n in range(20):
            names += put(delivery, 100, f"{n}-")
            time.sleep(0.1)
        check(delivery, 2000)
        receiver = stack.enter_context(receiving(port=port))
        assert eventually(lambda: len(receiver.taken) == 2000)
        assert receiver.taken == names
        check(delivery, 2000)
    (said,) = capsys.readouterr().err.splitlines()
    assert f"cannot send to OTEL_EXPORTER_OTLP_ENDPOINT='http://127.0.0.1:{port}/v1" in said
    assert "connection refused" in said
    assert "spans kept and sent again; lost so far: nothing" in said


def test_an_outage_that_is_too_long(capsys: pytest.CaptureFixture[str]) -> None:
    """The newest is dropped, and the number is said when there is somebody again."""
    with receiving() as receiver:
        receiver.usual = answer(503)
        with delivering(receiver.sink(), capacity=100) as delivery:
            put(delivery, 60, "a")
            assert eventually(lambda: len(receiver.requests) > 0)
            put(delivery, 60, "b")
            check(delivery, 120, queue_full=20)
            receiver.usual = answer(200)
            assert delivery.flush(5)
            assert len(receiver.taken) == 100
            check(delivery, 120, queue_full=20)
    assert "lost so far: 20 spans (queue full: 20)" in capsys.readouterr().err


def test_bytes_are_bounded_too() -> None:
    """A few giants fill the room of many."""
    with receiving() as receiver:
        receiver.usual = answer(503)
        with delivering(receiver.sink(), room=13_000) as delivery:
            for _ in range(20):
                delivery.spans.put(os.urandom(2_500).hex())
                assert eventually(lambda: len(delivery.spans) == 0)
            time.sleep(0.1)
            assert 1 <= delivery.account[0].queued <= 4
            check(delivery, 20, queue_full=20 - delivery.account[0].queued)


def test_400_loses_the_batch_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """It will not get better; the next is not held up."""
    with receiving(answer(400)) as receiver, delivering(receiver.sink()) as delivery:
        put(delivery, 3)
        delivery.flush(5)
        put(delivery, 4, "later")
        assert delivery.flush(5)
        assert len(receiver.taken) == 4
        check(delivery, 7, refused_by_the_receiver=3)
    said = capsys.readouterr().err
    assert "it answers 400" in said
    assert "lost so far: 3 spans (refused by the receiver: 3)" in said


@pytest.mark.parametrize("status", [302, 401, 403, 404])
def test_a_wrong_setting_loses_nothing(
    status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The receiver says no for a while, and is asked seldom; once put right, all arrives."""
    monkeypatch.setattr(line, "_LONGEST", 0.5)
    with receiving() as receiver:
        receiver.usual = answer(status, Location="/login")
        with delivering(receiver.sink(headers={"api-key": "s3cr3t"})) as delivery:
            names = put(delivery, 20)
            time.sleep(0.5)
            assert 1 <= len(receiver.requests) <= 3
            check(delivery, 20)
            receiver.usual = answer(200)
            assert eventually(lambda: receiver.taken == names)
    said = capsys.readouterr().err
    assert f"it answers {status}; 20 spans kept" in said.replace("1 span ", "20 spans ")
    assert "s3cr3t" not in said


def test_too_large() -> None:
    """413 cuts until it fits; what cannot be cut is lost alone."""

    def choosy(handler: Any) -> None:
        answer(413 if len(handler.body) > 2_000 else 200)(handler)

    with receiving() as receiver, delivering(receiver.sink(compression="gzip")) as delivery:
        receiver.usual = choosy
        delivery.spans.put("x" * 3_000)
        names = put(delivery, 1_000)
        assert delivery.flush(10)
        assert sorted(receiver.taken) == sorted(names)
        check(delivery, 1_001, too_large_for_the_receiver=1)


def test_poison() -> None:
    """A record that cannot be encoded is lost, and none of its neighbours."""
    with receiving() as receiver, delivering(receiver.sink()) as delivery:
        names = put(delivery, 100)
        delivery.spans.put("poison")
        names += put(delivery, 100, "s")
        assert delivery.flush(5)
        assert receiver.taken == names
        check(delivery, 201, cannot_be_encoded=1)


def test_a_batch_that_makes_the_receiver_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """500 for one batch, every time: the others pass it, and at last it is dropped."""
    monkeypatch.setattr(line, "_SHORTEST", 0.02)

    def failing(handler: Any) -> None:
        answer(500 if b"killer" in handler.body else 200)(handler)

    with receiving() as receiver, delivering(receiver.sink()) as delivery:
        receiver.usual = failing
        delivery.spans.put("killer")
        sent = 1
        # It is dropped once others have passed it three times; with it go those in its batch.
        while not (lost := delivery.dropped["traces", line.POISON]) and sent < 2000:
            delivery.spans.put(f"r{sent}")
            sent += 1
            time.sleep(0.01)
        assert eventually(lambda: delivery.account[0].queued == 0)
        assert 1 <= lost < 10
        # The last batch has left the queue, and may be on its way.
        assert eventually(lambda: len(receiver.taken) == sent - lost)


def test_a_receiver_that_fails_always_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """500 for all is the receiver's fault, and nobody's batch."""
    monkeypatch.setattr(line, "_SHORTEST", 0.01)
    with receiving() as receiver, delivering(receiver.sink()) as delivery:
        receiver.usual = answer(500)
        for n in range(20):
            put(delivery, 10, f"{n}-")
            time.sleep(0.03)
        receiver.usual = answer(200)
        assert delivery.flush(5)
        assert len(set(receiver.taken)) == len(receiver.taken) == 200


def test_partial_success(capsys: pytest.CaptureFixture[str]) -> None:
    """What the receiver did not take is counted and said, and not sent again."""
    with receiving(partial(3, "too old")) as receiver, delivering(receiver.sink()) as delivery:
        delivery.spans.put("a")
        for name in "bcde":
            delivery.spans.put(name)
        delivery.flush(5)
        lost = delivery.dropped["traces", line.REJECTED]
        assert 1 <= lost <= 3
        check(delivery, 5, rejected_by_the_receiver=lost)
    assert "which are lost: 'too old'" in capsys.readouterr().err


@pytest.mark.parametrize("step", [hang(), trickle], ids=["hang", "trickle"])
def test_flush_keeps_its_time(
    step: Callable[[Any], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A receiver that does not answer costs the time-out and no more, and the rest is said."""
    with receiving() as receiver, delivering(receiver.sink(timeout=2), interval=60) as delivery:
        receiver.usual = step
        put(delivery, 10)
        times = Times()
        assert not delivery.flush(0.5)
        assert 0.4 < times.passed < 0.8
        assert eventually(lambda: not delivery.account[0].in_flight)
        check(delivery, 10)


def test_flush_waits_for_a_receiver_that_comes_back() -> None:
    """Once it was there, a few seconds of absence are bridged."""
    with receiving(answer(200)) as receiver:
        receiver.usual = answer(503)
        with delivering(receiver.sink()) as delivery:
            put(delivery, 1)
            delivery.flush(1)
            put(delivery, 10, "s")
            threading.Timer(0.7, lambda: setattr(receiver, "usual", answer(200))).start()
            assert delivery.flush(5)
            assert len(receiver.taken) == 11


def test_flush_does_not_wait_for_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a collector a stop costs a moment, not the whole time-out."""
    gone = Receiver()
    gone.close()
    with delivering(gone.sink()) as delivery:
        put(delivery, 10)
        times = Times()
        assert not delivery.flush(5)
        assert times.passed < 1.5
    assert "10 spans not delivered within" in capsys.readouterr().err


def test_flush_does_not_wait_for_a_no() -> None:
    """A wrong key is not put right within a stop."""
    with receiving() as receiver, delivering(receiver.sink()) as delivery:
        receiver.usual = answer(401)
        put(delivery, 10)
        times = Times()
        assert not delivery.flush(5)
        assert times.passed < 1


def test_flush_from_many_threads() -> None:
    """Each comes back with everything that was recorded before it."""
    with receiving() as receiver, delivering(receiver.sink(), interval=60) as delivery:
        wrong: list[str] = []

        def work(prefix: str) -> None:
            for n in range(20):
                delivery.spans.put(f"{prefix}{n}")
                if not delivery.flush(5) or f"{prefix}{n}" not in receiver.taken:
                    wrong.append(f"{prefix}{n}")

        threads = [threading.Thread(target=work, args=(prefix,)) for prefix in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert len(receiver.taken) == 80


@pytest.fixture
def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that is ending, as far as delivery can see."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "otelier-delivery":
            raise RuntimeError("can't create new thread at interpreter shutdown")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.usefixtures("no_thread")
def test_flush_without_a_thread() -> None:
    """Where no thread can be started, the caller does the work, in its time."""
    with receiving() as receiver, delivering(receiver.sink()) as delivery:
        names = put(delivery, 10)
        assert delivery.flush(5)
        assert receiver.taken == names
        receiver.usual = hang()
        put(delivery, 1)
        times = Times()
        assert not delivery.flush(0.3)
        assert times.passed < 0.6


def test_nothing_to_flush() -> None:
    """Is flushed."""
    with receiving() as receiver, delivering(receiver.sink()) as delivery:
        assert delivery.flush(1)
        assert receiver.requests == []


def test_shutdown() -> None:
    """Delivers, then takes no more, and counts what comes."""
    with receiving() as receiver:
        before = set(threading.enumerate())
        delivery = Delivery([receiver.sink()], interval=60)
        put(delivery, 10)
        assert delivery.shutdown(5)
        assert eventually(
            lambda: (
                not any(
                    thread.name == "otelier-delivery" and thread not in before
                    for thread in threading.enumerate()
                )
            )
        )
        put(delivery, 3, "late")
        assert len(receiver.taken) == 10
        check(delivery, 13, stopped=3)
        assert delivery.shutdown(1)


def test_shutdown_with_nobody_there() -> None:
    """What could not be delivered is counted as lost."""
    gone = Receiver()
    gone.close()
    delivery = Delivery([gone.sink()], interval=0.02)
    put(delivery, 10)
    assert not delivery.shutdown(5)
    check(delivery, 10, stopped=10)
    assert delivery.dropped == {("traces", STOPPED): 10}


def test_the_end_is_the_end() -> None:
    """Shut down twice, flushed and measured afterwards: nothing is sent or closed again."""
    exporter = Exporter()
    meter, collect = meter_and_collect()
    meter.create_counter("c").add(1)
    delivery = Delivery([ExporterSink("metrics", exporter)], collect=collect, interval=0.02)
    assert delivery.shutdown(5)
    times = Times()
    assert delivery.flush(5)
    assert delivery.shutdown(5)
    assert times.passed < 1
    assert (len(exporter.kept), exporter.shut) == (1, 1)


def test_who_waits_at_the_end_is_let_go() -> None:
    """A flush in another thread does not sit out its time-out behind a shutdown."""
    with receiving() as receiver:
        receiver.usual = hang()
        delivery = Delivery([receiver.sink(timeout=0.5)], interval=0.02)
        put(delivery, 1)
        assert eventually(lambda: len(receiver.requests) == 1)
        told: list[bool] = []
        waiting = threading.Thread(target=lambda: told.append(delivery.flush(20)))
        waiting.start()
        delivery.shutdown(0.1)
        waiting.join(3)
        assert told == [False]


class Exporter:
    """An SDK exporter that keeps what it gets."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.shut = 0

    def export(self, batch: Any, timeout_millis: float = 0) -> Any:
        self.kept += batch if isinstance(batch, list) else [batch]

    def shutdown(self) -> None:
        self.shut += 1


def test_several_sinks() -> None:
    """Each gets everything; one that fails does not hold up the other."""
    exporter = Exporter()
    with receiving() as receiver:
        receiver.usual = answer(503)
        with delivering(receiver.sink(), ExporterSink("traces", exporter)) as delivery:
            names = put(delivery, 100)
            assert eventually(lambda: exporter.kept == names)
            receiver.usual = answer(200)
            assert delivery.flush(5)
            assert receiver.taken == names
            assert [balance.sink for balance in delivery.account][1] == "exporter Exporter"
            check(delivery, 100)
    assert exporter.shut == 1


def test_signals_have_queues_of_their_own() -> None:
    """A record of each reaches its own sink; a signal without a sink costs nothing."""
    spans, records = Exporter(), Exporter()
    with delivering(ExporterSink("traces", spans), ExporterSink("logs", records)) as delivery:
        delivery.spans.put("span")
        delivery.logs.put("record")
        assert delivery.flush(5)
        assert (spans.kept, records.kept) == (["span"], ["record"])
    with delivering(ExporterSink("traces", spans)) as delivery:
        delivery.logs.put("nobody wants it")
        assert len(delivery.logs) == 0


def meter_and_collect() -> tuple[Meter, Callable[[], list[Any]]]:
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter("tests")
    return meter, lambda: [data] if (data := reader.get_metrics_data()) else []


def test_metrics() -> None:
    """Collected by the clock and at a flush; an empty collection is not sent."""
    exporter = Exporter()
    meter, collect = meter_and_collect()
    with delivering(
        ExporterSink("metrics", exporter), collect=collect, metric_interval=0.05
    ) as delivery:
        assert delivery.flush(5)
        assert exporter.kept == []
        meter.create_counter("c").add(1)
        assert eventually(lambda: len(exporter.kept) >= 2)
        assert delivery.flush(5)
        (balance,) = delivery.account
        assert balance.recorded == balance.delivered == len(exporter.kept)


def test_metrics_that_could_not_be_sent() -> None:
    """Wait, and go first; of many batches the newest sixteen."""

    class Failing(Exporter):
        result = "FAILURE"

        def export(self, batch: Any, timeout_millis: float = 0) -> Any:
            if self.result == "SUCCESS":
                super().export(batch)
            return type("Result", (), {"name": self.result})

    exporter = Failing()
    numbers = iter(range(100))
    sink = ExporterSink("metrics", exporter)
    sink.pack = lambda batch: ([sink._parcel(batch[0], 1)], 0)  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("otelier.export.books.data_points", lambda data: 1)
        with delivering(sink, collect=lambda: [next(numbers)], metric_interval=60) as delivery:
            for _ in range(20):
                delivery.flush(0)
                delivery.flush(0.05)
            exporter.result = "SUCCESS"
            assert delivery.flush(5)
            last = exporter.kept[-1]
            assert exporter.kept == list(range(last - 15, last + 1))
            assert delivery.dropped["metrics", QUEUE_FULL] == last - 15


def test_a_failing_collection() -> None:
    """Is counted, and spans are delivered all the same."""
    with receiving() as receiver:
        sinks = (receiver.sink(), ExporterSink("metrics", Exporter()))
        with delivering(*sinks, collect=lambda: 1 / 0) as delivery:  # type: ignore[arg-type]
            put(delivery, 1)
            assert delivery.flush(5)
            assert receiver.taken == ["r0"]
    assert _guard.faults["collecting metrics"] >= 1


def test_a_sink_that_breaks_its_word() -> None:
    """Raising where it must not costs nothing but time."""
    with receiving() as receiver:
        sink = receiver.sink()
        send = sink.send
        calls = iter((1, 0))

        def raising(parcel: Any, seconds: float) -> Any:
            return send(parcel, seconds) if not next(calls, 0) else 1 / 0

        sink.send = raising  # type: ignore[method-assign]
        with delivering(sink) as delivery:
            put(delivery, 5)
            assert eventually(lambda: len(receiver.taken) == 5)
            assert _guard.faults["sending traces"] == 1


def test_what_exporters_do_is_not_traced() -> None:
    """The thread that delivers runs outside of any request, with instrumentation switched off."""
    from opentelemetry.instrumentation.utils import is_instrumentation_enabled

    from otelier.context import RequestContext, current_request

    class Curious(Exporter):
        def export(self, batch: Any, timeout_millis: float = 0) -> Any:
            self.kept.append((is_instrumentation_enabled(), current_request.get()))

    exporter = Curious()
    token = current_request.set(RequestContext("1"))
    try:
        with delivering(ExporterSink("traces", exporter)) as delivery:
            put(delivery, 1)
            delivery.flush(5)
    finally:
        current_request.reset(token)
    assert exporter.kept == [(False, None)]


def run(body: str, receiver: Receiver, expect: int = 0, says: str = "") -> str:
    """Output of a process that delivers to a receiver. says: what its stderr begins with."""
    program = f"""
    import os, signal, sys, threading, time
    from otelier.export.deliver import Delivery
    from otelier.export.lifecycle import Lifecycle
    from otelier.export.sinks import OTLPSink
    from otelier.export.target import Target
    from tests.export.receiver import encode
    delivery = Delivery([OTLPSink("traces", Target({receiver.url!r}), encode)], interval=0.05)
    put = delivery.spans.put
    {textwrap.indent(textwrap.dedent(body), " " * 4).strip()}
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=ROOT)
    assert done.returncode == expect, done.stderr
    assert done.stderr.startswith(says) if says else not done.stderr
    return done.stdout


def test_fork() -> None:
    """Parent and child each send what they recorded, once, on connections of their own."""
    body = """
    for n in range(3):
        put(f"before-{n}")
    assert delivery.flush(5)
    put("waiting in the parent")
    pids = []
    for child in range(3):
        if (pid := os.fork()) == 0:
            assert delivery.account[0].recorded == 0
            put(f"child-{child}")
            time.sleep(0.5)
            assert delivery.account[0].delivered == 1, delivery.account
            put(f"last-{child}")
            assert delivery.flush(5)
            os._exit(0)
        pids.append(pid)
        put(f"parent-{child}")
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0, 0]
    assert delivery.flush(5)
    """
    with receiving() as receiver:
        run(body, receiver)
        children = [f"{word}-{n}" for word in ("child", "last") for n in range(3)]
        parents = ["before-0", "before-1", "before-2", "waiting in the parent"]
        parents += [f"parent-{n}" for n in range(3)]
        assert sorted(receiver.taken) == sorted(children + parents)
        assert receiver.server.connections == 4


def test_fork_while_sending() -> None:
    """A fork in the middle of a request leaves that request to the parent."""
    body = """
    put("parent")
    time.sleep(0.3)
    if (pid := os.fork()) == 0:
        put("child")
        os._exit(0 if delivery.flush(5) else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert delivery.flush(5)
    """

    def slow(handler: Any) -> None:
        time.sleep(1)
        answer(200)(handler)

    with receiving(slow) as receiver:
        run(body, receiver)
        assert sorted(receiver.taken) == ["child", "parent"]


def test_the_end_of_the_interpreter() -> None:
    """What was recorded last arrives."""
    body = """
    Lifecycle([], 5, delivery.flush).install()
    put("last")
    """
    with receiving() as receiver:
        run(body, receiver)
        assert receiver.taken == ["last"]


def test_sigterm() -> None:
    """The handler delivers in the main thread, wherever it was interrupted, and then it dies."""
    body = """
    Lifecycle([], 5, delivery.flush).install()
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
    n = 0
    while True:
        put(f"r{n}")
        n += 1
        if n % 50 == 0:
            os.write(1, b"%d\\n" % n)
            delivery.flush(5)
    """
    with receiving() as receiver:
        out = run(body, receiver, -15)
        recorded = int(out.split()[-1])
        assert recorded >= 50
        assert len(set(receiver.taken)) == len(receiver.taken) >= recorded


def test_sigterm_with_a_hanging_receiver() -> None:
    """The deadline holds in the signal handler."""
    body = """
    Lifecycle([], 0.5, delivery.flush).install()
    put("r")
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGTERM)
    """
    with receiving() as receiver:
        receiver.usual = hang()
        times = Times()
        run(body, receiver, -15, says="otelier: 1 span not delivered within 0.")
        assert times.passed < 5
