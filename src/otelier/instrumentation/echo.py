"""The headers that an answer gains: the request's id, and those that are asked for.

None is put over one that the app sets itself. An answer that the server makes in the app's place,
because the app has raised or not answered, has them too where the server is uvicorn; that to a
websocket which the app refuses has the id.

Source: W3C Trace Context level 2, `traceresponse`; W3C Server Timing, `traceparent` as browsers'
agents read it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, MutableMapping
from time import perf_counter_ns
from typing import Any

from otelier import _guard
from otelier.context import RequestContext
from otelier.sdk.lean_span import ids

Message = MutableMapping[str, Any]


class Echo:
    """header: of the id. more: of MORE, whose values need a span."""

    __slots__ = ("_more", "header")

    def __init__(self, header: str, more: Collection[str] = ()) -> None:
        self.header = header.lower().encode("ascii")
        self._more = tuple((name.encode("ascii"), MORE[name]) for name in more)

    def onto(self, message: Message, request: RequestContext, began: int | None = None) -> Message:
        """The message with the headers. began: by `perf_counter_ns`; None of what has no span."""
        try:
            headers = message.get("headers") or ()
            if type(headers) is not list:  # any iterable may be given, and some can be read once
                headers = list(headers)
                message = {**message, "headers": headers}
            if self._more:
                added = self._missing(headers, request, began)
                return {**message, "headers": [*headers, *added]}
            if _lacks(headers, self.header):
                name = (self.header, request.request_id.encode("ascii"))
                return {**message, "headers": [*headers, name]}
            return message
        except Exception as error:
            _guard.fault("naming an answer", error)
            return message

    def naming_refusals(
        self, request: RequestContext, scope: Mapping[str, Any], receive: Any, send: Any
    ) -> Any:
        """`send` for a websocket: uvicorn answers one that is closed before it is accepted with
        403 and nothing else; said as a response, the same answer has room for headers.

        Source: ASGI, extension `websocket.http.response`.
        """
        server = type(getattr(receive, "__self__", None)).__module__
        if not (server.startswith("uvicorn.") and _ANSWERS in (scope.get("extensions") or ())):
            return send
        has_begun = False

        async def sending(message: Message) -> None:
            nonlocal has_begun
            if has_begun or message["type"] != "websocket.close":
                has_begun = True
                await send(message)
                return
            has_begun = True
            refusal: Message = {"type": f"{_ANSWERS}.start", "status": 403, "headers": []}
            await send(self.onto(refusal, request))
            await send({"type": f"{_ANSWERS}.body", "body": b""})

        return sending

    def leave_to(self, server: Any, request: RequestContext, began: int | None = None) -> None:
        """For the answer of uvicorn's own, if the app has not begun with one.

        server: its state of this one request, whose headers are added to whatever it sends.
        """
        try:
            if getattr(server, "response_started", True) is False:
                usual = server.default_headers
                server.default_headers = [*usual, *self._missing(usual, request, began)]
        except Exception as error:
            _guard.fault("naming the server's answer", error)

    def _missing(
        self, headers: Any, request: RequestContext, began: int | None
    ) -> list[tuple[bytes, bytes]]:
        added = []
        if _lacks(headers, self.header):
            added.append((self.header, request.request_id.encode("ascii")))
        if self._more and began is not None:
            for name, tell in self._more:
                if name == _LISTED or _lacks(headers, name):
                    added.append((name, tell(request, began).encode("ascii")))
        return added


def _lacks(headers: Any, wanted: bytes) -> bool:
    size = len(wanted)
    for name, _ in headers:  # noqa: SIM110  # `all` takes twice as long, 1.5 µs for two headers
        if len(name) == size and bytes(name).lower() == wanted:
            return False
    return True


def _trace_response(request: RequestContext, began: int) -> str:
    trace_id, span_id, flags = ids(request.server_span)
    return f"00-{trace_id:032x}-{span_id:016x}-{flags & 0xFF:02x}"


def _server_timing(request: RequestContext, began: int) -> str:
    return f'traceparent;desc="{_trace_response(request, began)}"'


def _response_time(request: RequestContext, began: int) -> str:
    """Milliseconds until the answer began."""
    return f"{(perf_counter_ns() - began) / 1e6:.1f}"


_ANSWERS = "websocket.http.response"
_LISTED = b"server-timing"
"""Holds a list, of which every line is a part: ours stands beside the app's."""

MORE: Mapping[str, Callable[[RequestContext, int], str]] = {
    "traceresponse": _trace_response,
    "server-timing": _server_timing,
    "x-response-time": _response_time,
}
