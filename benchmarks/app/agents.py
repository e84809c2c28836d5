"""Lines that two contenders need in the app itself, as their documentation has them.

Their packages are in their own environments only, so they are imported by name. Everything is left
at its default, but for where it is sent and for the parent that comes with each request.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from fastapi import FastAPI


def attach(agent: str, app: FastAPI, engine: Any) -> None:
    """agent: one of `AGENTS`, or nothing."""
    if agent:
        AGENTS[agent](app, engine)


def _elastic_apm(app: FastAPI, _: Any) -> None:
    """Its address comes by ELASTIC_APM_SERVER_URL. Its middleware patches the drivers."""
    starlette: Any = import_module("elasticapm.contrib.starlette")
    app.add_middleware(starlette.ElasticAPM, client=starlette.make_apm_client())


def _logfire(app: FastAPI, engine: Any) -> None:
    """Its address comes by OTEL_EXPORTER_OTLP_ENDPOINT; it sends log records as spans."""
    logfire: Any = import_module("logfire")
    logfire.configure(send_to_logfire=False, console=False, distributed_tracing=True)
    logfire.instrument_fastapi(app)
    logfire.instrument_sqlalchemy(engine=engine)
    logfire.instrument_redis()
    logging.getLogger().addHandler(logfire.LogfireLoggingHandler())


AGENTS: Mapping[str, Callable[[FastAPI, Any], None]] = {
    "elastic-apm": _elastic_apm,
    "logfire": _logfire,
}
