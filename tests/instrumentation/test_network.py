"""Who is trusted, and what comes of the trace of somebody who is not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI

from otelier.instrumentation.http import HTTPInstrumentor
from otelier.instrumentation.network import Members, peer
from otelier.sources import networks
from tests.conftest import Telemetry
from tests.instrumentation.asking import converse, scope_of
from tests.instrumentation.conftest import options

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
INSIDE = ["10.0.0.1", "10.255.255.255", "::1", "::ffff:10.1.1.1", "192.0.2.7"]
OUTSIDE = ["11.0.0.1", "::2", "", "localhost", "10.0.0.1.5", "1" * 1000, "192.0.2.8"]


def test_members() -> None:
    """By address, IPv4 in IPv6 included; what is no address is outside. Asked twice, told twice."""
    members = Members(networks("10.0.0.0/8, ::1,192.0.2.7"))
    for _ in range(2):
        assert [address for address in (*INSIDE, *OUTSIDE) if members.include(address)] == INSIDE


def test_addresses_of_strangers_do_not_fill_the_memory() -> None:
    members = Members(networks("10.0.0.0/8"))
    for number in range(10_000):
        members.include(f"stranger {number}")
    assert len(members._kept) <= 4096


class Transport:
    def __init__(self, told: Any) -> None:
        self._told = told

    def get_extra_info(self, _: str) -> Any:
        return self._told


class Cycle:
    def __init__(self, told: Any) -> None:
        self.transport = Transport(told)

    async def receive(self) -> None: ...


@pytest.mark.parametrize(
    ("told", "expected"), [(("127.0.0.1", 1), "127.0.0.1"), (("::1", 1, 0, 0), "::1"), ("", "")]
)
def test_the_peer_is_that_of_the_socket(told: Any, expected: str) -> None:
    """Whatever the scope says, where the server tells; a Unix socket has no address."""
    scope = {"client": ("10.0.0.1", 1)}
    assert peer(scope, Cycle(told).receive) == expected
    assert peer(scope, None) == "10.0.0.1"
    assert peer({}, None) == ""


@pytest.mark.parametrize(
    ("trusted", "goes_on"),
    [(None, True), ("192.0.2.0/24", True), ("10.0.0.0/8", False), ("none", False)],
)
@pytest.mark.parametrize("state", ["", "vendor=x"])
@pytest.mark.usefixtures("propagator")
def test_whose_trace_it_is(
    telemetry: Telemetry, trusted: str | None, goes_on: bool, state: str
) -> None:
    """Of who is trusted, the request's; of anybody else a new one that links to it."""
    app = FastAPI()
    app.get("/")(lambda: None)
    more = {"tracestate": state} if state else {}
    scope = scope_of("/", traceparent=f"00-{TRACE}-{SPAN}-01", **more)
    found = None if trusted is None else networks(trusted)
    HTTPInstrumentor().instrument(options=options(trusted=found), skip_dep_check=True)
    asyncio.run(converse(app, scope))
    asyncio.run(converse(app, scope_of("/")))
    HTTPInstrumentor().uninstrument()
    span, without = telemetry.spans
    assert (f"{span.context.trace_id:032x}" == TRACE) is goes_on
    links = [(f"{k.context.trace_id:032x}", f"{k.context.span_id:016x}") for k in span.links]
    assert links == ([] if goes_on else [(TRACE, SPAN)])
    assert (span.parent is None) is not goes_on
    assert (without.parent, list(without.links)) == (None, [])
