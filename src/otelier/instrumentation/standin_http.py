"""`FastAPIInstrumentor` and `OpenTelemetryMiddleware` in the app's own code.

An app that is named gets a layer of its own, with the arguments that were given; the layer of all
others then stands down, because the outermost takes the request. Inside of a request that is
observed already (a mounted app, a middleware), only what was wished for is done, to that request's
span. In contrib's lane its middleware observes, and ours and FastAPI's own stand down; where ours
has the request already, contrib's stands down. Each request counts once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from inspect import signature
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry._logs import get_logger_provider
from opentelemetry.instrumentation.utils import is_http_instrumentation_enabled
from opentelemetry.metrics import get_meter
from opentelemetry.trace import Tracer, get_tracer
from opentelemetry.util.http import ExcludeList, parse_excluded_urls

from otelier.context import SCOPE_KEY
from otelier.fixed import replace
from otelier.instrumentation import standin
from otelier.instrumentation.exchange import Send
from otelier.instrumentation.http import App, HTTPInstrumentor, Layer, Options, Receive, Scope
from otelier.instrumentation.observe import SCHEMA_URL, Patches
from otelier.instrumentation.outcome import Instruments
from otelier.instrumentation.routes import watch_fastapi, watch_starlette
from otelier.instrumentation.standin import Lane
from otelier.instrumentation.standin_asides import Asides, Wishes
from otelier.sdk.logs import telling
from otelier.version import __version__

_FASTAPI_MARK = "fastapi.telemetry"
_CONTRIB_MARK = "_is_instrumented_by_opentelemetry"
_WITHIN = "otelier.own_app"
"""In a scope: the innermost app so far that had a layer of its own."""


def put_in(patches: Patches, options: Options) -> None:
    """Stand in for both once they are imported. options: of apps that have no say of their own."""
    own = OwnLayers(patches, options)
    patches.after_import(
        "opentelemetry.instrumentation.asgi",
        lambda asgi: standin.replace_class(
            patches, asgi, "OpenTelemetryMiddleware", Middleware, options=options
        ),
    )
    patches.after_import(
        "opentelemetry.instrumentation.fastapi",
        lambda fastapi: standin.replace_class(
            patches, fastapi, "FastAPIInstrumentor", Instrumentor, own=own
        ),
    )


class OwnLayer:
    """A layer made as it was asked for, around whichever app it is given."""

    def __init__(self, options: Options, given: Mapping[str, Any]) -> None:
        excluded = given.get("excluded_urls")
        if excluded is not None:
            options = replace(options, excluded=_patterns(excluded))
        self._tracer = _tracer(given)
        self._layer = Layer(options, _instruments(given, self._tracer))
        self._wishes = Wishes.of(given)

    async def __call__(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        if self._wishes.any_now:
            app = Asides(app, self._wishes, self._tracer)
        await self._layer(app, scope, receive, send)


class OwnLayers:
    """Which apps have a layer of their own, or are left to others. Costs nothing until one has."""

    def __init__(self, patches: Patches, options: Options) -> None:
        self._patches = patches
        self._options = options
        self._layers: WeakKeyDictionary[Any, OwnLayer | None] = WeakKeyDictionary()
        self._rest: OwnLayer | None = None
        self._is_in = False

    def observe(self, app: Any, given: Mapping[str, Any]) -> None:
        """As contrib does it, the first call counts."""
        if not self.observes(app):
            self._layers[app] = OwnLayer(self._options, given)
            setattr(app, _CONTRIB_MARK, True)
            self._put_in()

    def observe_all(self, given: Mapping[str, Any]) -> None:
        self._rest = OwnLayer(self._options, given)
        self._put_in()

    def leave(self, app: Any) -> None:
        """Contrib observes it, or, if the app's code wants it so, nobody does."""
        if self.observes(app):
            setattr(app, _CONTRIB_MARK, False)
        self._layers[app] = None
        self._put_in()

    def observes(self, app: Any) -> bool:
        return self._layers.get(app) is not None

    def leave_all(self) -> None:
        self._rest = None
        for app in list(self._layers):
            self.leave(app)

    def _put_in(self) -> None:
        if self._is_in:
            return
        self._is_in = True
        for package, name in (("starlette", "Starlette"), ("fastapi", "FastAPI")):
            self._patches.after_import(f"{package}.applications", partial(self._wrap, name))
        if not HTTPInstrumentor().is_instrumented_by_opentelemetry:
            watch = partial(watch_starlette, self._patches), partial(watch_fastapi, self._patches)
            self._patches.after_import("starlette.routing", watch[0])
            self._patches.after_import("fastapi.routing", watch[1])

    def _wrap(self, name: str, module: ModuleType) -> None:
        self._patches.replace(getattr(module, name), "__call__", self._calling)

    def _calling(self, original: Any) -> Any:
        async def call(app: Any, scope: Scope, receive: Receive, send: Send) -> None:
            layer = self._layers.get(app, self._rest)
            if layer is None:
                if app in self._layers:
                    _leave_to_others(scope)
                await original(app, scope, receive, send)
            elif _is_inside(scope, app, layer is self._rest):
                await original(app, scope, receive, send)
            else:
                scope[_WITHIN] = app
                await layer(partial(original, app), scope, receive, send)

        return call


def _is_inside(scope: Scope, app: Any, is_of_all: bool) -> bool:
    """FastAPI's call goes on to Starlette's; and what is wished for all is done outermost."""
    within = scope.get(_WITHIN)
    return within is app or (is_of_all and within is not None)


def _leave_to_others(scope: Scope) -> None:
    scope.setdefault(SCOPE_KEY, None)
    scope.setdefault(_FASTAPI_MARK, None)


class Instrumentor:
    """Put before contrib's `FastAPIInstrumentor`."""

    own: OwnLayers

    def instrument(self, **given: Any) -> Any:
        if standin.lane("http") is Lane.CONTRIB:
            return super().instrument(**given)  # type: ignore[misc]
        self.own.observe_all(given)
        return None

    def uninstrument(self, **given: Any) -> Any:
        self.own.leave_all()
        if self.is_instrumented_by_opentelemetry:  # type: ignore[attr-defined]
            return super().uninstrument(**given)  # type: ignore[misc]
        return None

    @classmethod
    def instrument_app(cls, app: Any, *args: Any, **given: Any) -> None:
        contrib = super().instrument_app  # type: ignore[misc]
        if standin.lane("http") is Lane.OURS:
            asked = signature(contrib).bind(app, *args, **given).arguments
            cls.own.observe(asked.pop("app"), asked)
        else:
            cls.own.leave(app)
            contrib(app, *args, **given)

    @classmethod
    def uninstrument_app(cls, app: Any) -> None:
        was_ours = cls.own.observes(app)
        cls.own.leave(app)
        if not was_ours:
            super().uninstrument_app(app)  # type: ignore[misc]


class Middleware:
    """Put before contrib's `OpenTelemetryMiddleware`: around any app, also an observed one."""

    options: Options
    app: App

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self._own: OwnLayer | None = None
        if standin.lane("http") is Lane.OURS:
            asked = signature(super().__init__).bind(*args, **given).arguments
            self._own = OwnLayer(self.options, asked)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._own is not None:
            await self._on_ours(self._own, scope, receive, send)
        elif scope.get(SCOPE_KEY) is not None:
            await self.app(scope, receive, send)
        else:
            _leave_to_others(scope)
            await super().__call__(scope, receive, send)  # type: ignore[misc]

    async def _on_ours(self, own: OwnLayer, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_http_instrumentation_enabled():
            await self.app(scope, receive, send)
            return
        is_outermost = SCOPE_KEY not in scope
        try:
            await own(self.app, scope, receive, send)
        finally:
            if is_outermost:  # a test may use the scope again, for a new request
                scope.pop(SCOPE_KEY, None)


class _Patterns:
    """An exclude list of contrib's as a pattern of ours."""

    def __init__(self, excluded: ExcludeList) -> None:
        self.search = excluded.url_disabled


def _patterns(excluded: str | ExcludeList) -> Any:
    if isinstance(excluded, str):
        excluded = parse_excluded_urls(excluded)
    return (_Patterns(excluded),)


def _tracer(given: Mapping[str, Any]) -> Tracer:
    return given.get("tracer") or get_tracer(
        "otelier.http", __version__, given.get("tracer_provider"), SCHEMA_URL
    )


def _instruments(given: Mapping[str, Any], tracer: Tracer) -> Instruments:
    """What the layer writes to: with the providers that were given, or the global ones."""
    meter = given.get("meter") or get_meter(
        "otelier.http", __version__, given.get("meter_provider"), SCHEMA_URL
    )
    return Instruments(tracer, meter, telling(get_logger_provider()))
