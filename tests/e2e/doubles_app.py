"""Apps whose code asks for telemetry of its own accord, for `test_doubles.py`: a factory each."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from starlette.applications import Starlette
from starlette.middleware.opentelemetry import OpenTelemetryMiddleware as StarlettesOwn
from starlette.responses import PlainTextResponse
from starlette.routing import Route

log = logging.getLogger("doubles")


class OnPurpose(Exception):
    """An exception that nobody handles."""


def plain(**more: Any) -> FastAPI:
    """more: arguments of `FastAPI`."""
    app = FastAPI(**more)

    @app.get("/items/{item}")
    async def item(item: int) -> int:
        log.info("item %d", item)
        return item

    @app.get("/fails/{item}")
    async def fails(item: int) -> None:
        raise OnPurpose

    return app


def contrib_instrument_app() -> FastAPI:
    app = plain()
    FastAPIInstrumentor.instrument_app(app)
    return app


def contrib_instrument_app_twice() -> FastAPI:
    app = contrib_instrument_app()
    FastAPIInstrumentor.instrument_app(app, exclude_spans=["send", "receive"])
    return app


def contrib_with_a_hook() -> FastAPI:
    app = plain()
    FastAPIInstrumentor.instrument_app(
        app, server_request_hook=lambda span, scope: span.set_attribute("app.hooked", True)
    )
    return app


def contrib_instrument() -> FastAPI:
    import fastapi

    FastAPIInstrumentor().instrument()
    made = fastapi.FastAPI()
    made.include_router(plain().router)
    return made


def contrib_middleware() -> FastAPI:
    app = plain()
    app.add_middleware(OpenTelemetryMiddleware)
    return app


def contrib_outside() -> OpenTelemetryMiddleware:
    return OpenTelemetryMiddleware(plain())


def contrib_around_a_mount() -> FastAPI:
    app = FastAPI()
    app.mount("/", OpenTelemetryMiddleware(plain()))
    return app


def starlette_middleware() -> FastAPI:
    app = plain()
    app.add_middleware(StarlettesOwn)
    return app


def starlette_middleware_outside() -> StarlettesOwn:
    return StarlettesOwn(plain())


def starlette_only() -> Starlette:
    async def item(request: Any) -> PlainTextResponse:
        log.info("item %s", request.path_params["item"])
        return PlainTextResponse("ok")

    async def fails(request: Any) -> PlainTextResponse:
        raise OnPurpose

    routes = [Route("/items/{item:int}", item), Route("/fails/{item:int}", fails)]
    app = Starlette(routes=routes)
    app.add_middleware(StarlettesOwn)
    return app


def native_with_operations() -> FastAPI:
    return plain(telemetry={"operation_spans": True})


def native_without_operations() -> FastAPI:
    return plain(telemetry={"operation_spans": False})


def native_with_our_provider() -> FastAPI:
    return plain(telemetry={"tracer_provider": trace.get_tracer_provider()})


def native_with_its_own_provider() -> FastAPI:
    """Its spans go to the user's own exporters, wherever these send."""
    return plain(telemetry={"tracer_provider": TracerProvider()})


def native_without_tracing() -> FastAPI:
    return plain(telemetry={"tracing": False})


def native_without_metrics() -> FastAPI:
    return plain(telemetry={"metrics": False})


def native_with_exporters() -> FastAPI:
    """It adds OTLP exporters to the providers that it finds."""
    return plain(telemetry={"auto_configure": True})


def native_mounted() -> FastAPI:
    app = FastAPI(telemetry={"operation_spans": True})
    app.mount("/", plain(telemetry={"operation_spans": True}))
    return app


def everything() -> FastAPI:
    app = plain(telemetry={"operation_spans": True, "auto_configure": True})
    app.add_middleware(StarlettesOwn)
    app.add_middleware(OpenTelemetryMiddleware)
    FastAPIInstrumentor.instrument_app(app)
    return app
