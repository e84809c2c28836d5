"""What a batch is given to: OTLP over HTTP (`OTLPSink`), or any SDK exporter (`ExporterSink`).

A sink packs records once, into parcels that can be sent as often as it takes, and turns whatever
happens to one into an `Answer`; it neither waits nor counts (`line` does), and never raises.
All of it runs in the thread that delivers. That thread gives the interpreter away after each slice
of records, so that an event loop beside it waits a millisecond for it, and not five.
"""

from __future__ import annotations

import http.client
import socket
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from otelier import _guard
from otelier.export import messages
from otelier.export.answer import Answer, Fate, meaning
from otelier.export.backlog import Parcel
from otelier.export.masked_records import MASKS
from otelier.export.target import Target
from otelier.export.transport import Transport
from otelier.fixed import replace

if TYPE_CHECKING:
    from otelier.export.encode import Encoded

_FIRST, _SMALLEST, _BIGGEST = 64, 8, 256
_TURN = 0.0007  # seconds between two pauses; 256 lean spans, or some 60 of the SDK's

_LARGEST = 4_000_000  # what comes after the receiver often takes 4 MiB at most
_WORTH = 1_024  # bytes; less is not worth compressing, where nobody has asked for it
_WINDOW = {"gzip": 31, "deflate": 15}


class Sink(Protocol):
    """One receiver of one signal.

    shown: what messages call it. place: equal for sinks that share a receiver. takes_bytes: whether
    a parcel holds bytes, and any other process could send it. component: `otel.component.type`.
    """

    component: str
    takes_bytes: bool
    signal: str
    shown: str
    place: tuple[Any, ...]

    def pack(self, batch: Sequence[Any]) -> tuple[list[Parcel], int]:
        """Parcels, and the number of records that cannot be sent at all."""

    def send(self, parcel: Parcel, seconds: float) -> Answer: ...

    def halve(self, parcel: Parcel) -> list[Parcel]:
        """Its halves; fewer than two when it cannot be cut."""

    def forget(self) -> None:
        """Drop what a forked child must not share with its parent."""

    def close(self) -> None: ...


def pause() -> None:
    """Let another thread have the interpreter: it waits 0.4 ms in place of 5.2 (measured)."""
    time.sleep(0)


def slices(batch: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Parts of a batch, each about as long as a turn takes, with a pause after each."""
    start, size = 0, _FIRST
    while start < len(batch):
        began = time.thread_time()
        yield batch[start : start + size]
        pause()
        start += size
        taken = max(1e-6, time.thread_time() - began)
        size = min(_BIGGEST, max(_SMALLEST, int(size * _TURN / taken)))


class OTLPSink:
    """Protobuf over HTTP.

    encode: a batch to one request. Requests that follow each other in one body are one request with
    all their records, so slices are encoded apart and joined.
    """

    takes_bytes = True
    component = "otlp_http_exporter"

    def __init__(
        self,
        signal: str,
        target: Target,
        encode: Callable[[Sequence[Any]], Encoded],
        transport: Transport | None = None,
    ) -> None:
        self.signal = signal
        self.shown = target.shown
        self.place: tuple[Any, ...] = target.place
        self._target = target
        self._encode = encode
        self._transport = transport or Transport()

    def pack(self, batch: Sequence[Any]) -> tuple[list[Parcel], int]:
        parcels: list[Parcel] = []
        refused = size = 0
        joined: list[Encoded] = []
        for encoded in self._encoded(batch):
            if encoded is None:
                refused += 1
                continue
            refused += encoded.refused
            if joined and size + len(encoded.body) > _LARGEST:
                parcels.append(self._join(joined))
                joined, size = [], 0
            if encoded.count:
                joined.append(encoded)
                size += len(encoded.body)
        if joined:
            parcels.append(self._join(joined))
        return parcels, refused

    def send(self, parcel: Parcel, seconds: float) -> Answer:
        limit = min(seconds, self._target.timeout)
        try:
            response = self._transport.post(self._target, parcel.content, _headers(parcel), limit)
        except Exception as error:
            return _unanswered(error, limit)
        answer = meaning(self.signal, response.status, response.headers, response.body)
        return replace(answer, reason=self._without_secrets(answer.reason))

    def halve(self, parcel: Parcel) -> list[Parcel]:
        body = parcel.content
        if parcel.encoding:
            body = zlib.decompress(body, _WINDOW[parcel.encoding])
        return [self._parcel(half, count) for half, count in messages.halve(self.signal, body)]

    def forget(self) -> None:
        self._transport.close()

    def close(self) -> None:
        self._transport.close()

    def _without_secrets(self, text: str) -> str:
        for value in self._target.headers.values():
            text = text.replace(value, "(not shown)") if len(value) > 3 else text
        return text

    def _encoded(self, batch: Sequence[Any]) -> Iterator[Encoded | None]:
        for part in slices(batch):
            yield from self._fitting(part)

    def _fitting(self, batch: Sequence[Any]) -> list[Encoded | None]:
        """In one piece if it works and is small enough, else in two; None for one bad record."""
        try:
            encoded = self._encode(batch)
        except Exception as error:
            if len(batch) == 1:
                _guard.fault(f"encoding {self.signal}", error)
                return [None]
        else:
            if len(encoded.body) <= _LARGEST or len(batch) == 1:
                return [encoded]
        middle = len(batch) // 2
        return self._fitting(batch[:middle]) + self._fitting(batch[middle:])

    def _join(self, parts: Sequence[Encoded]) -> Parcel:
        body = b"".join(part.body for part in parts)
        return self._parcel(body, sum(part.count for part in parts))

    def _parcel(self, body: bytes, count: int) -> Parcel:
        encoding = self._target.compression
        if encoding == "auto":
            encoding = "gzip" if self._target.is_remote and len(body) > _WORTH else ""
        plain_size = len(body)
        if encoding not in _WINDOW:
            return Parcel(body, count, plain_size, plain_size)
        # Level 1: two thirds of level 6's time for a tenth more bytes. Others run meanwhile.
        body = zlib.compress(body, 1, _WINDOW[encoding])
        return Parcel(body, count, len(body), plain_size, encoding)


def _headers(parcel: Parcel) -> dict[str, str]:
    """The key is the same each time that a batch is sent: who cares can tell a repetition."""
    headers = {"content-type": "application/x-protobuf", "idempotency-key": parcel.batch_id}
    return {**headers, "content-encoding": parcel.encoding} if parcel.encoding else headers


def _unanswered(error: Exception, limit: float) -> Answer:
    """No answer. The error's own text may hold a header, so only its kind is told."""
    reason, fate, hint, is_there = type(error).__name__, Fate.AGAIN, "", False
    if isinstance(error, TimeoutError):
        reason, is_there = f"no answer within {limit:.3g} s", True
    elif isinstance(error, ConnectionRefusedError):
        reason = "connection refused"
    elif isinstance(error, socket.gaierror):
        reason = "no such host"
    elif type(error).__name__ == "SSLCertVerificationError":
        reason, fate = "its certificate is not trusted", Fate.SLOWLY
        hint = "OTEL_EXPORTER_OTLP_CERTIFICATE names a file to trust"
    elif isinstance(error, ConnectionError):
        reason, is_there = "connection broken", True
    elif isinstance(error, http.client.HTTPException):
        reason, hint = "it does not speak HTTP/1.1", "port 4317 is for gRPC, OTLP/HTTP is 4318"
    elif not isinstance(error, OSError):
        fate = Fate.SLOWLY
    return Answer(fate, reason, hint, is_there=is_there)


class ExporterSink:
    """Any exporter of the SDK, as its batch processor would call it.

    convert: a record of ours to one that it knows (`readable.logs`); what it is given is masked
    after that. An exporter that returns
    FAILURE is given the batch again for five minutes; one that raises loses it.
    """

    takes_bytes = False

    _PATIENCE = 300.0
    _RECORD_SIZE = 1_000  # bytes, a guess for objects

    def __init__(
        self, signal: str, exporter: Any, convert: Callable[[Any], Any] = lambda record: record
    ) -> None:
        self.signal = signal
        self.component = type(exporter).__name__
        self.shown = f"exporter {type(exporter).__name__}"
        self.place: tuple[Any, ...] = (id(exporter),)
        self._exporter = exporter
        self._convert = convert
        self._mask = MASKS[signal]

    def pack(self, batch: Sequence[Any]) -> tuple[list[Parcel], int]:
        if self.signal == "metrics":
            counted = [(self._mask(data), data_points(data)) for data in batch]
            return [self._parcel(data, count) for data, count in counted if count], 0
        readable = []
        for part in slices(batch):
            for record in part:
                try:
                    readable.append(self._mask(self._convert(record)))
                except Exception as error:
                    _guard.fault(f"converting {self.signal}", error)
        refused = len(batch) - len(readable)
        return [self._parcel(readable, len(readable))] if readable else [], refused

    def send(self, parcel: Parcel, seconds: float) -> Answer:
        more = {"timeout_millis": seconds * 1000} if self.signal == "metrics" else {}
        try:
            result = self._exporter.export(parcel.content, **more)
        except Exception as error:
            return Answer(Fate.REFUSED, f"it raised {type(error).__name__}")
        if getattr(result, "name", "SUCCESS") != "FAILURE":
            return Answer(Fate.DELIVERED)
        now = time.monotonic()
        parcel.failed_at = parcel.failed_at or now
        gave_up = now - parcel.failed_at > self._PATIENCE
        return Answer(Fate.REFUSED if gave_up else Fate.AGAIN, "it reports a failure")

    def halve(self, parcel: Parcel) -> list[Parcel]:
        return [parcel]

    def forget(self) -> None:
        pass  # what it shares with the parent is its own affair, as under the SDK's processors

    def close(self) -> None:
        self._exporter.shutdown()

    def _parcel(self, content: Any, count: int) -> Parcel:
        size = count * self._RECORD_SIZE
        return Parcel(content, count, size, size // 3)


def data_points(data: Any) -> int:
    """How many there are in a `MetricsData`."""
    return sum(
        len(metric.data.data_points)
        for of_resource in data.resource_metrics
        for of_scope in of_resource.scope_metrics
        for metric in of_scope.metrics
    )
