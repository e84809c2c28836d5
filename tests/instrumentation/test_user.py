"""Who asks, found without a line in the app; and what an app says of its requests itself."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import inspect
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Annotated, Any

import fastapi.routing
import pytest
import starlette.datastructures
import starlette.routing
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, get_tracer
from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    SimpleUser,
    UnauthenticatedUser,
)
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware

import otelier
from otelier import _guard
from otelier.identity import Identity, InForce, Key
from otelier.instrumentation.http import HTTPInstrumentor
from otelier.instrumentation.user import Users
from otelier.sources import user_sources
from tests.conftest import Telemetry
from tests.instrumentation.asking import ask, converse, scope_of
from tests.instrumentation.conftest import options

HERE = __name__


@contextmanager
def observed(sources: str = "", identity: Identity | None = None) -> Iterator[None]:
    """Requests are observed with these sources; no fault of ours may come up meanwhile."""
    before, InForce.identity = InForce.identity, identity or Identity()
    _guard.faults.clear()
    found = user_sources(sources) if sources else ()
    HTTPInstrumentor().instrument(options=options(user_from=found), skip_dep_check=True)
    try:
        yield
    finally:
        HTTPInstrumentor().uninstrument()
        InForce.identity = before
    assert dict(_guard.faults) == {}


def user_of(telemetry: Telemetry) -> object:
    return (server_span(telemetry).attributes or {}).get("user.id")


def server_span(telemetry: Telemetry) -> ReadableSpan:
    (span,) = [span for span in telemetry.spans if span.kind is SpanKind.SERVER]
    return span


class Loaded:
    """A user as an app has one."""

    def __init__(self, id: object) -> None:  # noqa: A002
        self.id = id
        self.profile = {"login": f"login-{id}"}


class Expired:
    """An ORM's object of which only the profile is loaded; anything else would ask the database."""

    def __init__(self) -> None:
        self.__dict__.update(_sa_instance_state=object(), login="kept")

    @property
    def id(self) -> str:
        raise AssertionError("the database was asked")


class Awkward:
    @property
    def id(self) -> str:
        raise RuntimeError("on purpose")


def of_scope(user: object, path: str = "scope.user") -> tuple[str, FastAPI]:
    """An app behind plain ASGI middleware that knows the user."""
    app = FastAPI()

    @app.get("/")
    def index() -> None: ...

    class Knows:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                scope["user"] = user
                scope.setdefault("state", {})["user"] = user
            await self.app(scope, receive, send)

    app.add_middleware(Knows)
    return path, app


ONE = uuid.UUID(int=1)
USERS = [
    ("scope.user", SimpleUser("alice"), "alice"),
    ("scope.user", UnauthenticatedUser(), None),
    ("scope.user", Loaded(7), "7"),
    ("scope.user", {"sub": "s"}, "s"),
    ("scope.user", "plain", "plain"),
    ("scope.user", ONE, str(ONE)),
    ("scope.user", None, None),
    ("scope.user", True, None),
    ("scope.user", 1 << 200, None),
    ("scope.user", Awkward(), None),
    ("scope.user", Loaded(""), None),
    ("scope.user", Loaded("x" * 257), None),
    ("scope.user", Loaded("a\nb"), None),
    ("scope.user", Loaded("\x1b[31m"), None),
    ("scope.user", Loaded("\u202ereversed"), None),
    ("scope.user", Loaded("\ud800"), None),
    ("scope.user", Loaded("Zoë"), "Zoë"),
    ("scope.user.id", Expired(), None),
    ("scope.user.login", Expired(), "kept"),
    ("scope.user.profile.login", Loaded(7), "login-7"),
    ("scope.user.nothing.here", Loaded(7), None),
    ("scope.nobody", Loaded(7), None),
    ("state.user", Loaded(7), "7"),
    ("state.user.profile.login", Loaded(7), "login-7"),
]


@pytest.mark.parametrize(("source", "user", "expected"), USERS)
def test_what_is_taken_for_an_id(
    telemetry: Telemetry, source: str, user: object, expected: str | None
) -> None:
    """Texts, whole numbers and UUIDs, themselves or of a user of any class; nothing else."""
    source, app = of_scope(user, source)
    with observed(source):
        assert ask(app, "/").status == 200
    assert user_of(telemetry) == expected


def test_a_property_that_raises_is_a_fault(telemetry: Telemetry) -> None:
    """It is counted, and the app goes on."""
    source, app = of_scope(Awkward(), "scope.user.id")
    with pytest.raises(AssertionError), observed(source):
        assert ask(app, "/").status == 200
    assert set(_guard.faults) == {"looking for a user in user"}


def test_what_answers_before_a_route_is_looked_at(telemetry: Telemetry) -> None:
    """A request that no route takes has its user too."""
    source, app = of_scope("alice")
    with observed(source):
        assert ask(app, "/nowhere").status == 404
    assert user_of(telemetry) == "alice"


class Backend(AuthenticationBackend):
    async def authenticate(self, conn: Any) -> Any:
        return AuthCredentials(), SimpleUser("alice")


class Notes:
    """Plain ASGI middleware; with `raises`, it goes no further."""

    def __init__(self, app: Any, seen: list[object], raises: bool = False) -> None:
        self.app, self.seen, self.raises = app, seen, raises

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append(otelier_user())
        if self.raises:
            raise KeyError("on purpose")
        await self.app(dict(scope), receive, send)


AUTHENTICATION = Middleware(AuthenticationMiddleware, backend=Backend())


@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("of_a_route", [False, True])
def test_who_is_authenticated_is_known_at_once(
    telemetry: Telemetry, raises: bool, of_a_route: bool
) -> None:
    """Before any route is entered behind Starlette's middleware, and in that of a single route."""
    seen: list[object] = []

    def handle(request: Request, error: Exception) -> Response:
        seen.append(otelier_user())
        return Response("", 500)

    def index(request: Request) -> Response:
        seen.append(otelier_user())
        return Response()

    middleware = [AUTHENTICATION, Middleware(Notes, seen=seen, raises=raises)]
    of_route, of_app = (middleware, []) if of_a_route else ([], middleware)
    route = starlette.routing.Route("/", index, middleware=of_route)
    app = Starlette(routes=[route], middleware=of_app, exception_handlers={Exception: handle})
    with observed("scope.user"):
        assert ask(app, "/").status == (500 if raises else 200)
    assert seen == ["alice", "alice"]
    assert user_of(telemetry) == "alice"


def test_middleware_that_another_has_derived(telemetry: Telemetry) -> None:
    """It is asked as it was, and keeps what it notes on itself."""

    class Counting(AuthenticationMiddleware):
        asked = 0

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            self.asked += 1
            await super().__call__(scope, receive, send)

    async def tells(scope: Any, receive: Any, send: Any) -> None:
        await Response(f"{scope['user'].username} {counting.asked}")(scope, receive, send)

    counting = Counting(tells, Backend())
    app = Starlette(routes=[starlette.routing.Mount("/", counting)])
    with observed("scope.user"):
        assert [ask(app, "/").body for _ in range(2)] == [b"alice 1", b"alice 2"]


def in_thread(run: Any) -> None:
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def in_pool(run: Any) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(run).result()


@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize("elsewhere", [in_thread, in_pool])
def test_state_that_a_thread_sets(telemetry: Telemetry, elsewhere: Any, replaced: bool) -> None:
    """At once too; also where middleware has put another state in place of the server's."""
    seen = []
    app = FastAPI()

    @app.get("/")
    def index(request: Request) -> None:
        elsewhere(lambda: setattr(request.state, "user", Loaded(1)))
        seen.append(otelier_user())

    class Replaces:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if replaced:
                scope["state"] = {}
            await self.app(scope, receive, send)

    app.add_middleware(Replaces)
    with observed("state.user.id"):
        assert ask(app, "/").status == 200
    assert seen == ["1"]


@pytest.mark.parametrize("by_key", [False, True])
def test_request_state_tells_at_once(telemetry: Telemetry, by_key: bool) -> None:
    """What a dependency puts there is on the log record right after; the app's state is another."""
    app = FastAPI()
    seen = []

    @app.get("/")
    def index(request: Request) -> None:
        request.app.state.user = "of the app"
        seen.append(otelier_user())
        if by_key and hasattr(type(request.state), "__setitem__"):
            request.state["user"] = Loaded(1)
        else:
            request.state.user = Loaded(1)
        seen.append(otelier_user())

    with observed("state.user.id"):
        ask(app, "/")
    assert seen == [None, "1"]
    assert user_of(telemetry) == "1"


def otelier_user() -> str | None:
    from otelier.context import current_request

    request = current_request.get()
    assert request is not None
    return request.user_id


def test_the_first_source_wins_whenever_it_answers(telemetry: Telemetry) -> None:
    """The order is the user's, not that of time; and what the app says stands above all."""
    seen = []

    def late(request: Request) -> None:
        seen.append(otelier_user())
        request.state.first = "first"
        request.state.first = "first again"
        seen.append(otelier_user())
        request.state.third = "third"
        seen.append(otelier_user())
        otelier.bind_user("said")
        seen.append(otelier_user())
        otelier.bind_user("said again")
        request.state.first = "not any more"
        seen.append(otelier_user())

    app = FastAPI(dependencies=[Depends(late)])
    app.get("/")(lambda: None)
    source = "state.first,header:X-User@192.0.2.0/24,state.third"
    with observed(source):
        ask(app, "/", x_user="second")
    assert seen == ["second", "first", "first", "said", "said again"]
    assert user_of(telemetry) == "said again"


def test_a_user_is_taken_back(telemetry: Telemetry) -> None:
    """`bind_user(None)`: nobody any more, nor a session."""
    app = FastAPI()

    @app.get("/")
    def index() -> None:
        otelier.bind_user("u", session="s")
        otelier.bind_user(None)

    with observed():
        ask(app, "/")
    assert {"user.id", "session.id"}.isdisjoint(server_span(telemetry).attributes or {})


async def named() -> Loaded:
    return Loaded("named")


def named_sync(user: Annotated[Loaded, Depends(named)]) -> Loaded:
    return user


async def named_yield() -> Any:
    yield Loaded("yielded")


class Finder:
    def __call__(self) -> Loaded:
        return Loaded("found")


finder = Finder()


class Directory:
    async def user(self) -> Loaded:
        return Loaded("listed")


directory = Directory()


def refuses() -> None:
    raise HTTPException(403)


DEPENDENCIES = [
    ("named:id", named, "named"),
    ("named_sync", named_sync, "named"),
    ("named:id", named_sync, "named"),
    ("named_yield:id", named_yield, "yielded"),
    ("finder:id", finder, "found"),
    ("Finder:id", Finder(), "found"),
    ("directory.user", directory.user, "listed"),
    ("Directory.user", Directory().user, "listed"),
    ("named:profile.login", named, "login-named"),
    ("refuses", named, None),
]


@pytest.mark.parametrize(("name", "dependency", "expected"), DEPENDENCIES)
def test_a_named_dependency(
    telemetry: Telemetry, name: str, dependency: Any, expected: str | None
) -> None:
    """Sync, async, `yield`, below another one, an object or a method of one, named itself or by its
    class: what it returns tells the user."""
    app = FastAPI()
    seen = []

    def index(user: Loaded) -> object:
        seen.append(otelier_user())
        return user.id

    index.__annotations__["user"] = Annotated[Loaded, Depends(dependency)]
    app.get("/")(index)

    with observed(f"{HERE}:{name}"):
        assert ask(app, "/").status == 200
    assert seen == [expected]
    assert user_of(telemetry) == expected


def test_a_refusal_after_it_has_the_user(telemetry: Telemetry) -> None:
    """Another dependency answers 403: it is known to whom."""
    app = FastAPI(dependencies=[Depends(named), Depends(refuses)])
    app.get("/")(lambda: None)
    with observed(f"{HERE}:named"):
        assert ask(app, "/").status == 403
    assert user_of(telemetry) == "named"


def test_an_override_answers_in_its_place(telemetry: Telemetry) -> None:
    """`dependency_overrides` is keyed by the app's own function, and what it gives counts."""
    app = FastAPI()
    app.dependency_overrides[named] = lambda: Loaded("override")
    app.get("/", dependencies=[Depends(named)])(lambda: None)
    with observed(f"{HERE}:named"):
        ask(app, "/")
    assert user_of(telemetry) == "override"


def test_the_app_is_as_it_was(telemetry: Telemetry) -> None:
    """Functions, signatures, the schema and the answers are the same with it as without."""

    def build() -> FastAPI:
        app = FastAPI()

        @app.get("/")
        def index(user: Annotated[Loaded, Depends(named)], again: str = "") -> object:
            return [user.id, again]

        return app

    def look() -> list[object]:
        app = build()
        answer = ask(app, "/?again=1")
        return [named, inspect.signature(named), app.openapi(), answer.status, answer.body]

    bare = look()
    with observed(f"{HERE}:named"):
        assert look() == bare


def test_a_name_that_its_module_does_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    """It is said once the module is there, and the app goes on."""
    with observed(f"{HERE}:no_such_thing:id,{HERE}:named"):
        pass
    (line,) = capsys.readouterr().err.splitlines()
    assert f"there is no 'no_such_thing' in '{HERE}'" in line


BROKEN = ["_look", "_stated", "_returned", "_read_headers", "_tell", "watch"]


@pytest.mark.parametrize("name", BROKEN)
def test_a_fault_of_ours_changes_no_answer(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whatever of ours raises, the app answers as it does without us."""
    source, app = of_scope("alice")

    @app.get("/named", dependencies=[Depends(named)])
    def answers(request: Request) -> str:
        request.state.user = "bob"
        return "answer"

    def broken(*_: Any) -> Any:
        raise RuntimeError("a fault of ours")

    def asked() -> None:
        with observed(f"{source},state.user,{HERE}:named,header:X-User@192.0.2.0/24"):
            monkeypatch.setattr(Users, name, broken)
            answer = ask(app, "/named", x_user="u")
            assert (answer.status, answer.body) == (200, b'"answer"')

    with pytest.raises(AssertionError, match=r"looking|watching|beginning"):
        asked()  # in the end it says which faults have come up


def test_nothing_is_hooked_for_nothing(telemetry: Telemetry) -> None:
    """Without sources, FastAPI's and Starlette's own functions of that kind are as they were."""
    state = starlette.datastructures.State
    before = (fastapi.routing.solve_dependencies, vars(state)["__setattr__"])
    with observed():
        assert (fastapi.routing.solve_dependencies, vars(state)["__setattr__"]) == before
        plain = vars(starlette.routing.Route)["handle"]
    with observed("state.user"):
        assert fastapi.routing.solve_dependencies is before[0]
        assert vars(state)["__setattr__"] is not before[1]
        assert vars(starlette.routing.Route)["handle"].__qualname__ != plain.__qualname__
    assert (fastapi.routing.solve_dependencies, vars(state)["__setattr__"]) == before


@pytest.mark.parametrize(
    ("client", "values", "expected"),
    [
        ("192.0.2.7", ["alice"], "alice"),
        ("198.51.100.1", ["alice"], None),
        ("::ffff:192.0.2.7", ["alice"], "alice"),
        ("unknown", ["alice"], None),
        ("192.0.2.7", ["alice", "bob"], None),
        ("192.0.2.7", ["al\x1b[31mice"], None),
        ("192.0.2.7", [""], None),
    ],
)
def test_a_header_of_a_proxy(
    telemetry: Telemetry, client: str, values: list[str], expected: str | None
) -> None:
    """From a listed address, once, and printable; else it is no header of a proxy."""
    app = FastAPI()
    app.get("/")(lambda: None)
    scope = scope_of("/")
    scope["client"] = (client, 1)
    scope["headers"] += [(b"x-user", value.encode()) for value in values]
    with observed("header:X-User@192.0.2.0/24|10.0.0.0/8"):
        asyncio.run(converse(app, scope))
    assert user_of(telemetry) == expected


KEY = Key(b"swordfish", "k2")
HASHED = "k2:" + hmac.new(b"swordfish", b"alice", hashlib.sha256).hexdigest()
EMAIL = "k2:" + hmac.new(b"swordfish", b"a@example.org", hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("identity", "given", "expected"),
    [
        (Identity("raw"), "alice", "alice"),
        (Identity("raw"), "a@example.org", None),
        (Identity("raw", KEY), "alice", "alice"),
        (Identity("raw", KEY), "a@example.org", EMAIL),
        (Identity("hash", KEY), "alice", HASHED),
        (Identity("hash"), "alice", None),
        (Identity("off", KEY), "alice", None),
    ],
)
def test_how_ids_leave(
    telemetry: Telemetry, identity: Identity, given: str, expected: str | None
) -> None:
    """By the mode, whether the app says them or they are found; sessions alike."""
    app = FastAPI()

    @app.get("/")
    def index(request: Request) -> None:
        request.state.user = given

    @app.get("/said")
    def said() -> None:
        otelier.bind_user(given, session=given)

    with observed("state.user", identity):
        ask(app, "/")
        assert user_of(telemetry) == expected
        telemetry.clear()
        ask(app, "/said")
    attributes = server_span(telemetry).attributes or {}
    assert (attributes.get("user.id"), attributes.get("session.id")) == (expected, expected)


def test_a_user_bound_late(telemetry: Telemetry) -> None:
    """It is on the span that has begun, on one of the SDK that is open, and on later ones."""
    app = FastAPI()

    @app.get("/")
    def index() -> None:
        tracer = get_tracer("the app")
        with tracer.start_as_current_span("open") as span:
            span.set_attribute("tenant", "what it was before")
            otelier.bind_user("late", session=5)
            otelier.bind(tenant="acme", plan=2, paid=True, share=0.5, **{"a.b": ONE})
            with tracer.start_as_current_span("later"):
                pass

    with observed():
        ask(app, "/")
    by_name = {span.name: dict(span.attributes or {}) for span in telemetry.spans}
    bound = {"plan": 2, "paid": True, "share": 0.5, "a.b": str(ONE)}
    for name, attributes in by_name.items():
        expected = {"user.id": "late", "session.id": "5", **bound}
        assert {key: attributes.get(key) for key in expected} == expected
        assert attributes["tenant"] == "acme", name
    assert set(by_name) == {"open", "later", "GET /"}


def test_what_is_bound_is_bounded(telemetry: Telemetry, capsys: pytest.CaptureFixture[str]) -> None:
    """Sixteen keys, 256 characters, no name that is taken; what is refused is said."""
    app = FastAPI()

    @app.get("/")
    def index() -> None:
        otelier.bind(**{f"k{n}": n for n in range(20)})
        otelier.bind(k0="y" * 1000, k1=None, k2="\ud800", k3=1 << 70)
        otelier.bind(**{"user.id": "spoofed", "request_id": "spoofed", "a b": 1, "": 2})

    _guard._said_at.clear()
    with observed():
        ask(app, "/")
    attributes = dict(server_span(telemetry).attributes or {})
    bound = {key: value for key, value in attributes.items() if key.startswith("k")}
    assert set(bound) == {f"k{n}" for n in range(16)} - {"k1"}
    assert (bound["k0"], bound["k2"], bound["k3"]) == ("y" * 256, "?", str(1 << 70))
    assert "spoofed" not in attributes.values()
    assert {"a b", ""}.isdisjoint(attributes)
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if "ignored" in line]) == 3


def test_a_log_record_has_what_is_bound(http: Telemetry) -> None:
    """An extra of the same name is more particular, and wins; the ids it cannot replace."""
    import logging

    from otelier.instrumentation.logs import LogsInstrumentor

    app = FastAPI()

    @app.get("/")
    def index() -> None:
        otelier.bind_user("u")
        otelier.bind(order=1, shop="s")
        extra = {"order": 2, "user.id": "spoofed", "http.request.id": "spoofed"}
        logging.getLogger("shop").warning("hello", extra=extra)

    LogsInstrumentor().instrument(level=20, skip_dep_check=True)
    try:
        ask(app, "/", x_request_id="r")
    finally:
        LogsInstrumentor().uninstrument()
    (log,) = [r.log_record for r in http.records if r.log_record.body == "hello"]
    wanted = {"order": 2, "shop": "s", "user.id": "u", "http.request.id": "r"}
    assert {key: (log.attributes or {}).get(key) for key in wanted} == wanted


def test_a_bound_value_is_masked_before_it_is_cut(telemetry: Telemetry) -> None:
    """At its limit, half a secret would look like none."""
    app = FastAPI()

    @app.get("/")
    def index() -> None:
        otelier.bind(note="x" * 230 + " postgresql://bob:swordfish@db.example/crm")

    with observed():
        ask(app, "/")
    note = str((server_span(telemetry).attributes or {})["note"])
    assert len(note) == 256
    assert "postgresql://" in note
    assert "swor" not in note


def test_outside_of_a_request_nothing_happens() -> None:
    """No error, nothing kept."""
    otelier.bind_user("u")
    otelier.bind(a=1)
    assert otelier.environ() == {}
