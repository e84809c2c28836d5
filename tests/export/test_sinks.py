"""Records to parcels, and parcels to answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SpanExportResult

from otelier import _guard
from otelier.export import sinks
from otelier.export.answer import Fate
from otelier.export.backlog import Parcel
from otelier.export.sinks import ExporterSink, OTLPSink
from otelier.export.target import Target
from parts import free_ports
from tests.export.receiver import answer, decode, encode, hang, partial, receiving

NOWHERE = Target("http://127.0.0.1:9/v1/traces")


def names(count: int, size: int = 0) -> list[str]:
    return [f"{n}-{'x' * size}" for n in range(count)]


def contents(parcels: Sequence[Parcel]) -> list[str]:
    return [name for parcel in parcels for name in decode(parcel.content)]


def test_slices_are_joined() -> None:
    """A batch is one request, with its records in their order."""
    parcels, refused = OTLPSink("traces", NOWHERE, encode).pack(names(1000))
    assert [decode(parcel.content) for parcel in parcels] == [names(1000)]
    assert (parcels[0].count, parcels[0].size, refused) == (1000, len(parcels[0].content), 0)


def test_the_interpreter_is_given_away_between_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """After each turn, whose length is in time: slices of slow records are smaller."""
    pauses: list[int] = []
    sizes: list[int] = []
    monkeypatch.setattr(sinks, "pause", lambda: pauses.append(len(sizes)))

    def encode_at(pace: float) -> Any:
        def encode_and_count(batch: Any) -> Any:
            sizes.append(len(batch))
            done = time.thread_time() + pace * len(batch)
            while time.thread_time() < done:
                pass
            return encode(batch)

        return encode_and_count

    OTLPSink("traces", NOWHERE, encode_at(0.0)).pack(names(2048))
    assert (sizes[0], max(sizes)) == (64, 256)
    assert pauses == list(range(1, len(sizes) + 1))
    sizes.clear()
    OTLPSink("traces", NOWHERE, encode_at(0.00005)).pack(names(300))
    assert sum(sizes) == 300
    assert max(sizes[1:]) < 20


def test_large_batches_are_cut() -> None:
    """No request is larger than four million bytes, and none is lost for it."""
    batch = names(100, 100_000)
    parcels, _ = OTLPSink("traces", NOWHERE, encode).pack(batch)
    assert len(parcels) > 1
    assert max(len(parcel.content) for parcel in parcels) <= 4_000_000
    assert contents(parcels) == batch


def test_a_giant_goes_alone() -> None:
    """What cannot be cut is sent as it is: the receiver may take more."""
    batch = ["a", "x" * 5_000_000, "b"]
    parcels, _ = OTLPSink("traces", NOWHERE, encode).pack(batch)
    assert contents(parcels) == batch


def test_a_poison_record_goes_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """None of its neighbours is lost with it."""
    batch = names(1000)
    batch[300] = batch[301] = "poison"
    _guard._said_at.clear()
    parcels, refused = OTLPSink("traces", NOWHERE, encode).pack(batch)
    kept = contents(parcels)
    assert (len(kept), refused) == (998, 2)
    assert kept == [name for name in batch if name != "poison"]
    assert "encoding traces failed" in capsys.readouterr().err


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
def test_compression(compression: str) -> None:
    """The receiver is told, and understands; what waits is small too."""
    with receiving() as receiver:
        sink = receiver.sink(compression=compression)
        (parcel,), _ = sink.pack(names(500))
        assert sink.send(parcel, 5).fate is Fate.DELIVERED
        assert receiver.taken == names(500)
        told = receiver.requests[0].headers.get("Content-Encoding", "none")
        assert (told, parcel.size < 3000) == (compression, compression != "none")


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_halves(compression: str) -> None:
    """Of a parcel that is too large, without the records it was made of."""
    with receiving() as receiver:
        sink = receiver.sink(compression=compression)
        (parcel,), _ = sink.pack(names(501))
        halves = sink.halve(parcel)
        for half in halves:
            sink.send(half, 5)
        assert [half.count for half in halves] == [251, 250]
        assert receiver.taken == names(501)
        (single,), _ = sink.pack(["a"])
        assert len(sink.halve(single)) == 1


def test_rejected_records() -> None:
    """Their number and the receiver's words, without our key in them."""
    with receiving(partial(2, "bad key s3cr3t")) as receiver:
        sink = receiver.sink(headers={"api-key": "s3cr3t"})
        got = sink.send(sink.pack(names(5))[0][0], 5)
    assert (got.fate, got.rejected, got.reason) == (Fate.DELIVERED, 2, "bad key (not shown)")


def test_no_answer() -> None:
    """A closed port, a receiver that hangs, a name that is none, a server of another kind."""
    (nobody,) = free_ports(1)
    closed = OTLPSink("traces", Target(f"http://127.0.0.1:{nobody}/"), encode)
    (parcel,), _ = closed.pack(["a"])
    got = closed.send(parcel, 5)
    assert (got.fate, got.reason, got.is_there) == (Fate.AGAIN, "connection refused", False)
    nameless = OTLPSink("traces", Target("http://nowhere.invalid/"), encode)
    assert nameless.send(parcel, 5).reason == "no such host"
    with receiving(hang()) as receiver:
        got = receiver.sink(timeout=0.2).send(parcel, 5)
        assert (got.fate, got.reason) == (Fate.AGAIN, "no answer within 0.2 s")


def test_an_unsendable_header_is_not_told() -> None:
    """The library's own words would show it."""
    with receiving(answer(200)) as receiver:
        sink = receiver.sink(headers={"api-key": "s3cr3t\n"})
        got = sink.send(sink.pack(["a"])[0][0], 5)
    assert (got.fate, got.reason) == (Fate.SLOWLY, "ValueError")


class Exporter:
    def __init__(self, result: Any = SpanExportResult.SUCCESS) -> None:
        self.result = result
        self.batches: list[Any] = []

    def export(self, batch: Any) -> Any:
        self.batches.append(batch)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def test_an_exporter_gets_records() -> None:
    """As they are, in one batch."""
    exporter = Exporter()
    sink = ExporterSink("traces", exporter)
    (parcel,), refused = sink.pack(names(300))
    assert sink.send(parcel, 5).fate is Fate.DELIVERED
    assert (exporter.batches, refused, sink.shown) == ([names(300)], 0, "exporter Exporter")


def test_an_exporter_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gets the batch again, but not for ever; one that raises loses it."""
    sink = ExporterSink("traces", Exporter(SpanExportResult.FAILURE))
    (parcel,), _ = sink.pack(["a"])
    assert sink.send(parcel, 5).fate is Fate.AGAIN
    monkeypatch.setattr(ExporterSink, "_PATIENCE", -1.0)
    assert sink.send(parcel, 5).fate is Fate.REFUSED
    broken = ExporterSink("traces", Exporter(ValueError("s3cr3t")))
    got = broken.send(parcel, 5)
    assert (got.fate, got.reason) == (Fate.REFUSED, "it raised ValueError")


def test_a_record_that_cannot_be_converted() -> None:
    """Is refused alone."""
    _guard.faults.clear()
    sink = ExporterSink("logs", Exporter(), lambda record: 1 / record)
    (parcel,), refused = sink.pack([1, 0, 2])
    assert (parcel.content, parcel.count, refused) == ([1.0, 0.5], 2, 1)
    assert dict(_guard.faults) == {"converting logs": 1}
