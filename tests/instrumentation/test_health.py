"""The health endpoints: who answers a path, in which words, and what becomes of our own faults."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Host, Mount, Route
from starlette.staticfiles import StaticFiles

from otelier import _guard, health
from otelier.context import current_request
from otelier.instrumentation import checks as checks_module
from otelier.instrumentation.attempts import Finding
from otelier.instrumentation.checks import Checks
from otelier.instrumentation.http import HTTPInstrumentor
from otelier.instrumentation.servers import role
from tests.conftest import Telemetry
from tests.instrumentation.asking import Answer, ask, converse, scope_of
from tests.instrumentation.conftest import options
from tests.instrumentation.faults import Injected, Probe, can_fail, observed, shown

PATHS = ("/health", "/health/live", "/health/ready")
DETAIL = "s" * 16


@pytest.fixture(autouse=True)
def own_checks(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, health.Check]]:
    """No check of another test, and nothing of what it found; no engine or client either."""
    monkeypatch.setattr(checks_module.database_checks, "targets", list)
    monkeypatch.setattr(checks_module.cache_checks, "targets", list)
    monkeypatch.setattr("otelier.instrumentation.health.checks", Checks())
    yield health.own
    health.own.clear()
    role.serve()


@pytest.fixture
def http(telemetry: Telemetry, propagator: None) -> Iterator[Telemetry]:
    """Observed, with the endpoints of the defaults; no fault of ours may have come up meanwhile."""
    _guard.faults.clear()
    given = options(health_paths=PATHS, health_detail=DETAIL)
    HTTPInstrumentor().instrument(options=given, skip_dep_check=True)
    yield telemetry
    HTTPInstrumentor().uninstrument()
    assert dict(_guard.faults) == {}


def is_ours(answer: Answer) -> bool:
    return answer.body.startswith((b'{"status":"healthy"', b'{"status":"alive"'))


# The words


def test_an_app_without_stores(http: Telemetry) -> None:
    """Kinds that the app does not use are left out; the time is UTC, in seconds."""
    answer = ask(FastAPI(), "/health")
    told = json.loads(answer.body)
    assert list(told) == ["status", "timestamp"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told["timestamp"])
    assert (answer.status, len(answer.ids())) == (200, 1)
    assert ask(FastAPI(), "/health/live").body == b'{"status":"alive"}'
    assert ask(FastAPI(), "/health/ready").body == b'{"status":"ready"}'


def test_what_is_not_well(http: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of a kind is enough; the words are those of stores and those of own checks."""
    found = [
        Finding("database", "a", None, 0.1),
        Finding("database", "b", "TimeoutError", 0.1),
        Finding("redis", "c", None, 0.1),
        Finding("search", "search", "x.Gone", 0.1),
    ]
    monkeypatch.setattr("otelier.instrumentation.health.checks", Found(found))
    answer = ask(FastAPI(), "/health")
    told = json.loads(answer.body)
    assert told.pop("timestamp")
    assert answer.status == 503
    assert list(told.items()) == [
        ("status", "unhealthy"),
        ("database", "disconnected"),
        ("redis", "connected"),
        ("search", "unhealthy"),
    ]
    ready = ask(FastAPI(), "/health/ready")
    assert (ready.status, ready.body) == (503, b'{"status":"not ready"}')
    assert ask(FastAPI(), "/health/live").status == 200


class Found:
    """Checks that have found this."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self._findings = findings

    async def findings(self) -> Sequence[Finding]:
        return self._findings

    def begin(self) -> None: ...


def test_head(http: Telemetry) -> None:
    """As GET, without the body."""
    get, head = ask(FastAPI(), "/health/ready"), ask(FastAPI(), "/health/ready", "HEAD")
    assert (head.status, head.body) == (200, b"")
    kept = [[pair for pair in each.headers if pair[0] != "x-request-id"] for each in (get, head)]
    assert kept[0] == kept[1]
    assert ("content-length", str(len(get.body))) in kept[0]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_the_apps(http: Telemetry, method: str) -> None:
    """Whatever is not GET or HEAD is answered as without us."""
    assert ask(FastAPI(), "/health", method).status == 404


def test_nothing_of_it_is_observed(http: Telemetry) -> None:
    """No span, no access record, and one number."""
    for path in (*PATHS, "/health"):
        ask(FastAPI(), path)
    assert (http.spans, http.records) == ((), ())
    points = http.points()
    assert list(points) == ["otelier.health.requests"]
    counted = {p.attributes["http.route"]: p.value for p in points["otelier.health.requests"]}
    assert counted == {"/health": 2, "/health/live": 1, "/health/ready": 1}


def test_a_stop(http: Telemetry) -> None:
    """As soon as the server is told to stop it is not ready, and goes on living."""
    role.is_stopping = True
    assert ask(FastAPI(), "/health/ready").status == 503
    assert ask(FastAPI(), "/health/live").status == 200
    assert ask(FastAPI(), "/health").status == 200


@pytest.mark.parametrize(
    ("detail", "headers", "peer", "knows"),
    [
        (None, {"authorization": "Bearer "}, "127.0.0.1", False),
        (DETAIL, {}, "127.0.0.1", False),
        (DETAIL, {"authorization": f"Bearer {DETAIL}x"}, "127.0.0.1", False),
        (DETAIL, {"authorization": f"Bearer {DETAIL}"}, "192.0.2.7", True),
        ("loopback", {}, "127.0.0.1", True),
        ("loopback", {}, "::1", True),
        ("loopback", {}, "192.0.2.7", False),
        ("loopback", {}, "testclient", False),
        ("loopback", {"x_forwarded_for": "192.0.2.7"}, "127.0.0.1", False),
        ("loopback", {"authorization": "Bearer loopback"}, "192.0.2.7", False),
    ],
)
def test_who_is_told_more(
    telemetry: Telemetry,
    monkeypatch: pytest.MonkeyPatch,
    detail: str | None,
    headers: dict[str, str],
    peer: str,
    knows: bool,
) -> None:
    """Nobody, whoever shows the token, or whoever asks from here without a proxy."""
    found = [Finding("redis", "cache:6379/0 password=swordfish", "redis.X", 0.0123)]
    monkeypatch.setattr("otelier.instrumentation.health.checks", Found(found))
    scope = {**scope_of("/health", **headers), "client": (peer, 5)}
    given = options(health_paths=PATHS, health_detail=detail)
    HTTPInstrumentor().instrument(options=given, skip_dep_check=True)
    try:
        told = json.loads(asyncio.run(converse(FastAPI(), scope)).body)
    finally:
        HTTPInstrumentor().uninstrument()
    assert ("checks" in told) is knows
    if knows:
        (check,) = told["checks"]
        assert (check["kind"], check["status"]) == ("redis", "disconnected")
        assert (check["error"], check["milliseconds"]) == ("redis.X", 12.3)
        assert "swordfish" not in str(told)


# Who answers


def with_route() -> FastAPI:
    app = FastAPI()

    @app.get("/health")
    async def own() -> str:
        return "mine"

    return app


def with_refusing_route() -> FastAPI:
    app = FastAPI()

    @app.get("/health")
    async def own() -> str:
        raise HTTPException(404, "mine")

    return app


def with_other_method() -> FastAPI:
    app = FastAPI()
    app.post("/health")(lambda: "mine")
    return app


def with_included_router() -> FastAPI:
    inner, outer = APIRouter(prefix="/health"), APIRouter()
    inner.get("")(lambda: "mine")
    outer.include_router(inner)
    app = FastAPI()
    app.include_router(outer)
    return app


def with_catch_all() -> FastAPI:
    app = FastAPI()

    @app.get("/{path:path}")
    async def page(path: str) -> str:
        raise HTTPException(404, "mine")

    return app


def with_mount_at_root() -> FastAPI:
    app = FastAPI()
    app.mount("/", StaticFiles(directory=Path(__file__).parent))
    return app


def with_mounted_app() -> Starlette:
    return Starlette(routes=[Mount("/health", Starlette(routes=[Route("/", _mine)]))])


def with_slash() -> Starlette:
    return Starlette(routes=[Route("/health/", _mine)])


def with_host() -> Starlette:
    return Starlette(routes=[Host("shop.example", Starlette(routes=[Route("/health", _mine)]))])


def with_default() -> Starlette:
    app = Starlette()
    app.router.default = PlainTextResponse("mine", 404)
    return app


def with_middleware() -> FastAPI:
    app = FastAPI()

    @app.middleware("http")
    async def answering(request: Request, call_next: Any) -> Any:
        path = request.url.path
        return PlainTextResponse("mine") if path == "/health" else await call_next(request)

    return app


def with_ill_middleware() -> FastAPI:
    app = FastAPI()

    @app.middleware("http")
    async def answering(request: Request, call_next: Any) -> Any:
        return PlainTextResponse("mine", 503)

    return app


def with_page_for_all() -> FastAPI:
    """As single-page apps do it."""
    app = FastAPI()

    @app.exception_handler(404)
    async def page(request: Request, error: Any) -> Response:
        return HTMLResponse("mine")

    return app


async def _mine(request: Request) -> Response:
    return PlainTextResponse("mine")


OWN = [each for name, each in sorted(globals().items()) if name.startswith("with_")]


@pytest.fixture(scope="module")
def bare_answers() -> dict[str, tuple[Any, ...]]:
    """What they say without us."""
    return {make.__name__: told(ask(make(), "/health")) for make in OWN}


def told(answer: Answer) -> tuple[Any, ...]:
    kept = [pair for pair in answer.headers if pair[0] != "x-request-id"]
    return answer.status, kept, answer.body, repr(answer.error)


@pytest.mark.parametrize("make", OWN, ids=lambda make: make.__name__)
def test_the_apps_own_answer(make: Any, bare_answers: Any, http: Telemetry) -> None:
    """Routes, whatever they say and for whatever method, mounts, hosts, catch-alls, redirects to
    them, what is behind the routes, and middleware that answers: each time as without us."""
    app = make()
    for _ in range(3):
        assert told(ask(app, "/health")) == bare_answers[make.__name__]
    assert is_ours(ask(app, "/health/live")) is (make in OF_ONE_PATH)


OF_ONE_PATH = (
    with_included_router,
    with_middleware,
    with_other_method,
    with_refusing_route,
    with_route,
    with_slash,
)


def without_routes() -> FastAPI:
    return FastAPI()


def behind_root_path() -> FastAPI:
    return FastAPI(root_path="/behind")


def with_cors() -> FastAPI:
    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=["*"])
    return app


def with_redirect_to_https() -> FastAPI:
    app = FastAPI()
    app.add_middleware(HTTPSRedirectMiddleware)
    return app


def refusing() -> FastAPI:
    app = FastAPI()

    @app.middleware("http")
    async def login(request: Request, call_next: Any) -> Any:
        return PlainTextResponse("who are you?", 401)

    return app


def handling_404() -> FastAPI:
    app = FastAPI()

    @app.exception_handler(404)
    async def page(request: Request, error: Any) -> Response:
        return HTMLResponse("nothing here", 404)

    return app


LEFT = [without_routes, behind_root_path, with_cors, with_redirect_to_https, refusing, handling_404]


@pytest.mark.parametrize("make", LEFT, ids=lambda make: make.__name__)
@pytest.mark.parametrize("path", PATHS[:2])
def test_a_path_that_is_left_to_us(http: Telemetry, make: Any, path: str) -> None:
    """No route, and middleware that has no answer but only refuses or sends elsewhere."""
    app = make()
    for _ in range(2):
        answer = ask(app, path)
        assert is_ours(answer)
        assert answer.error is None


def test_the_app_is_asked_once(http: Telemetry) -> None:
    """For each path and method; no matter how many ask later."""
    app, seen = FastAPI(), []

    @app.middleware("http")
    async def counting(request: Request, call_next: Any) -> Any:
        seen.append((request.method, request.url.path))
        return await call_next(request)

    for _ in range(3):
        assert is_ours(ask(app, "/health"))
    ask(app, "/health", "HEAD")
    assert seen == [("GET", "/health"), ("HEAD", "/health")]


def test_a_route_that_is_added_later(http: Telemetry) -> None:
    """From then on it is the app's."""
    app = FastAPI()
    assert is_ours(ask(app, "/health"))
    app.get("/health")(lambda: "mine")
    assert ask(app, "/health").body == b'"mine"'


def test_middleware_that_raises(http: Telemetry) -> None:
    """The answer is ours, and the server is told of the exception as ever."""
    app = FastAPI()

    @app.middleware("http")
    async def broken(request: Request, call_next: Any) -> Any:
        raise Injected("on purpose")

    for _ in range(2):
        answer = ask(app, "/health/live")
        assert is_ours(answer)
        assert isinstance(answer.error, Injected)


def test_middleware_that_hangs(http: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up; the next request tries again."""
    monkeypatch.setattr("otelier.instrumentation.vacant.SECONDS", 0.05)
    app, ended = FastAPI(), []

    @app.middleware("http")
    async def hanging(request: Request, call_next: Any) -> Any:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(request.url.path)

    for _ in range(2):
        assert is_ours(ask(app, "/health"))
    assert ended == ["/health"] * 2


def test_an_own_answer_that_takes_its_time(
    http: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it has begun, a stream of the app's is not cut off."""
    monkeypatch.setattr("otelier.instrumentation.vacant.SECONDS", 0.05)
    app = FastAPI()

    async def chunks() -> Any:
        for text in ("one ", "two"):
            yield text
            await asyncio.sleep(0.1)

    @app.middleware("http")
    async def streaming(request: Request, call_next: Any) -> Any:
        return StreamingResponse(chunks())

    assert ask(app, "/health").body == b"one two"


def test_paths_and_off(telemetry: Telemetry) -> None:
    """Other paths; without any nothing is answered, and the former paths stay quiet."""
    for paths, expected in (
        (("/a", "/b", "/c"), {"/a": 200, "/b": 200, "/c": 200, "/health": 404}),
        ((), {"/a": 404, "/health": 404}),
    ):
        given = options(health_paths=paths)
        HTTPInstrumentor().instrument(options=given, skip_dep_check=True)
        try:
            app = FastAPI()
            assert {path: ask(app, path).status for path in expected} == expected
        finally:
            HTTPInstrumentor().uninstrument()


def test_a_root_path_of_the_server(http: Telemetry) -> None:
    """`uvicorn --root-path` puts it before the path."""
    scope = {**scope_of("/behind/health"), "root_path": "/behind"}
    assert is_ours(asyncio.run(converse(FastAPI(), scope)))
    app = FastAPI()
    app.get("/health")(lambda: "mine")
    scope = {**scope_of("/behind/health"), "root_path": "/behind"}
    assert asyncio.run(converse(app, scope)).body == b'"mine"'


def test_an_own_route_at_another_path_is_observed(telemetry: Telemetry, propagator: None) -> None:
    """A path that is no quiet one is as any other, if the app answers it."""
    given = options(health_paths=("/items", "/b", "/c"))
    HTTPInstrumentor().instrument(options=given, skip_dep_check=True)
    try:
        app = FastAPI()
        app.get("/items")(lambda: "mine")
        ask(app, "/items")
    finally:
        HTTPInstrumentor().uninstrument()
    assert [span.name for span in telemetry.spans] == ["GET /items"]


# Own checks


def test_own_checks(http: Telemetry, own_checks: dict[str, health.Check]) -> None:
    """By their names, in their order; `False` and an exception are ill, anything else is well."""

    async def gone() -> None:
        raise Injected("swordfish")

    async def box() -> bool:
        return current_request.get() is None

    async def no() -> bool:
        return False

    health.health_check("search", box)
    answer = ask(FastAPI(), "/health")
    assert (answer.status, json.loads(answer.body)["search"]) == (200, "healthy")
    health.health_check("mail", gone)
    health.health_check("queue", no)
    health.health_check("sync", lambda: True)  # type: ignore[arg-type,return-value]
    told = json.loads(ask_again(own_checks).body)
    del told["timestamp"]
    expected = ["search", "mail", "queue", "sync"]
    assert [name for name in told if name not in ("status", "checks")] == expected
    assert [told[name] for name in expected] == ["healthy", *["unhealthy"] * 3]
    assert "swordfish" not in str(told)


def test_the_example_of_the_guide(http: Telemetry, own_checks: dict[str, health.Check]) -> None:
    """The program in docs/health.md runs, and its check is asked."""
    page = (Path(__file__).parents[2] / "docs" / "health.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(program, "docs/health.md", "exec"), {"__name__": "docs"})
    assert list(own_checks) == ["search"]
    assert b'"search":"healthy"' in ask(FastAPI(), "/health").body


def ask_again(own: dict[str, health.Check]) -> Answer:
    """After what was found has grown old."""
    from otelier.instrumentation import health as endpoints

    endpoints.checks._fresh_until = 0.0
    return ask(FastAPI(), "/health", authorization=f"Bearer {DETAIL}")


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("database", bool),
        ("status", bool),
        ("Search", bool),
        ("", bool),
        ("a b", bool),
        (7, bool),
        ("x", None),
    ],
)
def test_a_check_that_cannot_be(
    name: Any, check: Any, own_checks: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Said in a line; nothing is raised, and nothing changes."""
    _guard._said_at.clear()
    health.health_check(name, check)
    assert own_checks == {}
    assert "health_check(" in capsys.readouterr().err


def test_room_for_checks(own_checks: dict[str, Any]) -> None:
    """It ends, and those that are there can still be replaced."""

    async def well() -> None: ...

    async def other() -> None: ...

    for number in range(20):
        health.health_check(f"n{number}", well)
    health.health_check("n3", other)
    assert len(own_checks) == 16
    assert own_checks["n3"] is other


# Faults of ours


def test_a_round_that_fails(
    telemetry: Telemetry, propagator: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told that all is well: the app answers, and the fault is counted."""

    def broken() -> Any:
        raise Injected("on purpose")

    monkeypatch.setattr("otelier.instrumentation.health.checks", Checks(broken))
    _guard.faults.clear()
    given = options(health_paths=PATHS)
    HTTPInstrumentor().instrument(options=given, skip_dep_check=True)
    try:
        app = FastAPI()
        assert [ask(app, path).status for path in (*PATHS, *PATHS)] == [404, 200, 404] * 2
    finally:
        HTTPInstrumentor().uninstrument()
    assert dict(_guard.faults) == {"telling of the app's health": 4}


OURS = ("attempts", "checks", "health", "vacant")


@pytest.mark.timeout(300)
def test_a_line_of_ours_that_fails(
    own_checks: dict[str, Any], telemetry: Telemetry, capsys: pytest.CaptureFixture[str]
) -> None:
    """The app answers instead, or what is ours says that something is ill; never an error."""

    async def well() -> None: ...

    def asked() -> tuple[Answer, Answer]:
        app = FastAPI()
        health.health_check("x", well)
        return ask(app, "/health"), ask(app, "/health/ready")

    with observed(), Probe() as probe:
        asked()
    sites = [site for site in sorted(probe.seen) if can_fail(site) and Path(site[0]).stem in OURS]
    assert len(sites) > 25
    wrong = []
    for site in sites:
        from otelier.instrumentation import health as endpoints

        endpoints.checks._fresh_until = 0.0
        _guard.faults.clear()
        with observed(), Probe(site):
            answers = asked()
        if any(a.error or a.status not in (200, 404, 503) for a in answers):
            wrong.append(f"{shown(site)}: {[(a.status, a.error) for a in answers]}")
    assert wrong == []
