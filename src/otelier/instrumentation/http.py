"""HTTP and websocket requests: one outermost ASGI layer.

It makes the request's box, takes the trace context from the headers, starts the SERVER span and
adds the request id to the answer. It sits in `Starlette.__call__` and `FastAPI.__call__`, so that
apps made before and after, by whatever import, are observed; a mounted app sees in the scope that
it is a nested one. Health endpoints stand before an app that has none; see `health`. Bodies are
never read. A fault of ours is counted, and the app goes on.

Everybody else's observation of the same request stands down: FastAPI's own telemetry (by the mark
that FastAPI itself leaves for nested apps), and Starlette's OpenTelemetry middleware in user code,
whose place this layer takes. Contrib's classes in user code: see `standin`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, MutableMapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any, Literal

from opentelemetry._logs import get_logger_provider
from opentelemetry.context import Context
from opentelemetry.metrics import get_meter
from opentelemetry.trace import SpanContext, get_current_span, get_tracer

from otelier import _guard
from otelier._upstream import SUPPRESSIONS, current_context
from otelier.context import SCOPE_KEY, RequestContext, current_request, find_request_id
from otelier.fixed import fixed
from otelier.instrumentation import native
from otelier.instrumentation.asked import METHODS, Askings, body_size, of_this_request
from otelier.instrumentation.echo import Echo, Message
from otelier.instrumentation.exchange import Exchange, Passage, Send
from otelier.instrumentation.headers import Headers
from otelier.instrumentation.health import Health, StandIn
from otelier.instrumentation.instrumentor import Instrumentor
from otelier.instrumentation.network import Members
from otelier.instrumentation.observe import SCHEMA_URL, Patches
from otelier.instrumentation.outcome import Instruments
from otelier.instrumentation.parent import extracted
from otelier.instrumentation.routes import (
    watch_fastapi,
    watch_handlers,
    watch_responses,
    watch_starlette,
)
from otelier.instrumentation.threads import watch_threads
from otelier.instrumentation.user import Users
from otelier.sdk.logs import telling
from otelier.sources import Network, Source
from otelier.version import __version__

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_FASTAPI_MARK = "fastapi.telemetry"
_STARTED = "lifespan.startup.complete"
_STOPPED = ("lifespan.shutdown.complete", "lifespan.shutdown.failed")
_OBSERVED = frozenset(("http", "websocket", "lifespan"))
_STARLETTES_OWN = "starlette.middleware.opentelemetry"


@fixed
class Options:
    """What of the settings concerns requests.

    header: name of the request id's header. also_from: further ones that it is taken from.
    more_headers: of `echo.MORE`, those that answers gain.
    user_from: where the user's id is looked for.
    trusted: whose trace context is gone on with; None for everybody's.
    quiet_paths: exact paths whose requests are not observed.
    excluded: patterns searched for in the whole URL, to the same effect.
    flush: delivers what is queued; called in a thread when the app's lifespan has ended.
    health_paths, health_detail: as `health.Health` wants them.
    meet: called in the event loop of an app that has started, and for each request.
    headers: which headers are wanted on the span. methods: those that are known by their names.
    """

    header: str
    quiet_paths: Collection[str]
    excluded: Sequence[re.Pattern[str]]
    flush: Callable[[], object]
    headers: Headers = Headers()
    methods: Collection[str] = METHODS
    also_from: Sequence[str] = ()
    more_headers: Collection[str] = ()
    user_from: Sequence[Source] = ()
    trusted: Sequence[Network] | None = None
    health_paths: Sequence[str] = ()
    health_detail: str | None = None
    meet: Callable[[], object] = bool


class HTTPInstrumentor(Instrumentor):
    """Stands in for contrib's `fastapi`; does nothing unless our distro gives it `options`."""

    def _instrument(self, *, options: Options | None = None, **_: Any) -> None:
        self._patches = Patches()
        if options is None:
            return
        layer = Layer(options, instruments())
        after_import = self._patches.after_import
        after_import("starlette.applications", partial(self._wrap, layer, "Starlette"))
        after_import("fastapi.applications", partial(self._wrap, layer, "FastAPI"))
        after_import("starlette.routing", partial(watch_starlette, self._patches))
        after_import("starlette.responses", partial(watch_responses, self._patches))
        after_import("starlette._exception_handler", partial(watch_handlers, self._patches))
        after_import("fastapi.routing", partial(watch_fastapi, self._patches))
        after_import(_STARLETTES_OWN, partial(self._stand_in, layer))
        native.observe(self._patches)
        watch_threads(self._patches)
        if options.user_from:
            layer.users.observe(self._patches)

    def _uninstrument(self, **_: Any) -> None:
        self._patches.restore()

    def _wrap(self, layer: Layer, name: str, module: ModuleType) -> None:
        self._patches.replace(getattr(module, name), "__call__", layer.around)

    def _stand_in(self, layer: Layer, module: ModuleType) -> None:
        """Ours takes the place of Starlette's middleware, wherever an app has put it."""

        def make(original: Any) -> Any:
            async def call(theirs: Any, scope: Scope, receive: Receive, send: Send) -> None:
                await layer(theirs.app, scope, receive, send)

            return call

        self._patches.replace(module.OpenTelemetryMiddleware, "__call__", make)


class Layer:
    """The outermost ASGI layer; one for the process."""

    def __init__(self, options: Options, instruments: Instruments) -> None:
        self._options = options
        self._instruments = instruments
        self._echo = Echo(options.header, options.more_headers)
        names = (options.header, *options.also_from)
        self._id_headers = tuple(name.lower().encode("ascii") for name in names)
        self._askings = Askings(options.methods)
        self._meet = options.meet
        self._health = Health(options.health_paths, options.health_detail)
        # Looked up for every request, 0.1 microseconds.
        self._asides = {*options.quiet_paths, *options.health_paths}
        self._trusted = None if options.trusted is None else Members(options.trusted)
        self.users = Users(options.user_from)
        self._around_any = self.around(_call)

    async def __call__(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        await self._around_any(app, scope, receive, send)

    def around(self, original: Any) -> Any:
        """The layer around the `__call__` of a class: one frame for both, which each step of the
        app passes."""
        enter = self._enter

        async def call(app: Any, scope: Scope, receive: Receive, send: Send) -> None:
            # FastAPI's call goes on to Starlette's.
            passage = None if SCOPE_KEY in scope else enter(original, app, scope, receive, send)
            if passage is None:
                await original(app, scope, receive, send)
                return
            try:
                if passage.stand_in is None:
                    await original(app, scope, receive, passage.send)
                else:
                    await passage.stand_in(scope, receive, passage.send)
            except BaseException as error:
                passage.failed(error)
                raise
            finally:
                passage.finish()

        return call

    def _enter(
        self, original: Any, app: Any, scope: Scope, receive: Receive, send: Send
    ) -> Passage | Lifespan | None:
        """What watches over a request or a lifespan; None for what is none."""
        kind = scope["type"]
        if kind not in _OBSERVED:
            return None
        scope.setdefault(_FASTAPI_MARK, None)  # whatever fails here, FastAPI stands down
        try:
            if kind == "lifespan":
                scope[SCOPE_KEY] = None  # FastAPI's call goes on to Starlette's: once is enough
                return Lifespan(send, self._options.flush, self._meet)
            self._meet()
            return self._begin(original, app, scope, receive, send)
        except Exception as error:
            _guard.fault("beginning a request", error)
            current_request.set(None)  # it may be that of the request before, on one connection
            return None

    def _begin(
        self, original: Any, app: Any, scope: Scope, receive: Receive, send: Send
    ) -> Passage:
        pairs = list(scope.get("headers") or ())
        headers = dict(reversed(pairs))  # of several with one name, the first
        request = RequestContext(find_request_id(headers, pairs, self._id_headers))
        # A server may start this task inside another request's context (uvicorn does on a
        # keep-alive connection): such a context is discarded whole.
        parent = current_context() if current_request.get() is None else Context()
        scope[SCOPE_KEY] = request
        if scope["type"] == "websocket":
            send = self._echo.naming_refusals(request, scope, receive, send)
        aside = self._aside(original, app, scope, headers)
        if aside is not None:
            passage = Aside(request, self._echo, send, receive, aside or None)
            passage.enter(Context({**parent, **dict.fromkeys(SUPPRESSIONS, True)}))
            return passage
        asked = self._askings.find(scope, headers)
        attributes = of_this_request(scope, asked.method)
        options = self._options
        wanted = options.headers
        if wanted.request:
            attributes |= wanted.of_request(pairs)
        if options.user_from:
            send = self.users.watch(request, scope, receive, send)
        parent, stranger = self._origin(scope, headers, parent)
        exchange = Exchange(self._instruments, request, asked, send, self._echo, receive)
        try:
            size, captured = body_size(headers), wanted if wanted.response else None
            exchange.begin(parent, attributes, size, captured)
            if stranger is not None:
                request.server_span.add_link(stranger)
        except BaseException:
            exchange.leave()
            raise
        return exchange

    def _origin(
        self, scope: Scope, headers: MutableMapping[bytes, bytes], context: Context
    ) -> tuple[Context, SpanContext | None]:
        """What the span begins under, and the span of a stranger that is only to be linked."""
        if self._trusted is None:
            return extracted(headers, context), None
        if self._trusted.include((scope.get("client") or ("",))[0]):
            return extracted(headers, context), None
        named = get_current_span(extracted(headers, Context())).get_span_context()
        return context, named if named.is_valid else None

    def _aside(
        self, original: Any, app: Any, scope: Scope, headers: MutableMapping[bytes, bytes]
    ) -> StandIn | Literal[False] | None:
        """Who answers a request that is not observed, False for the app; None if it is observed."""
        path = scope["path"]
        root = scope.get("root_path")
        if root and path.startswith(root):
            path = path[len(root) :]
        if path in self._asides:
            stand_in = self._health.standing_before(partial(original, app), scope, path)
            if stand_in is not None:
                return stand_in
            if path in self._options.quiet_paths:
                return False
        if self._options.excluded and self._is_excluded(scope, headers):
            return False
        return None

    def _is_excluded(self, scope: Scope, headers: MutableMapping[bytes, bytes]) -> bool:
        host = headers.get(b"host", b"").decode("latin-1")
        url = f"{scope.get('scheme', 'http')}://{host}{scope['path']}"
        return any(pattern.search(url) for pattern in self._options.excluded)


def _call(app: App, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    return app(scope, receive, send)


class Aside(Passage):
    """A request that is not observed. stand_in: who answers it in the app's place."""

    __slots__ = ("stand_in",)

    def __init__(
        self,
        request: RequestContext,
        echo: Echo,
        send: Send,
        receive: Receive,
        stand_in: StandIn | None,
    ) -> None:
        super().__init__(request, echo, send, receive)
        self.stand_in = stand_in


class Lifespan:
    """The lifespan of an app: when it has ended, what is queued is delivered."""

    stand_in = None

    __slots__ = ("_flush", "_meet", "_send")

    def __init__(self, send: Send, flush: Callable[[], object], meet: Callable[[], object]) -> None:
        self._send = send
        self._flush = flush
        self._meet = meet

    async def send(self, message: Message) -> None:
        from anyio.to_thread import run_sync  # comes with Starlette

        try:
            if message["type"] == _STARTED:
                self._meet()
            elif message["type"] in _STOPPED:
                await run_sync(self._flush)
        except Exception as error:
            _guard.fault("meeting the beginning or the end of a lifespan", error)
        await self._send(message)

    def failed(self, error: BaseException) -> None: ...

    def finish(self) -> None: ...


def instruments(
    tracer_provider: Any = None, meter_provider: Any = None, logger_provider: Any = None
) -> Instruments:
    """On these providers; the global ones where there is none."""
    about = ("otelier.http", __version__)
    return Instruments(
        get_tracer(*about, tracer_provider, SCHEMA_URL),
        get_meter(*about, meter_provider, SCHEMA_URL),
        telling(logger_provider or get_logger_provider()),
    )
