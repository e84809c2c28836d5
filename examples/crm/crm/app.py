"""The application: `uvicorn crm.app:app`."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from crm import cache, contacts, database, live, workflows

log = logging.getLogger(__name__)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    await database.prepare()
    log.info("ready")
    yield
    await cache.redis.aclose()
    await database.engine.dispose()


def create_app() -> FastAPI:
    app = FastAPI(title="CRM", lifespan=lifespan)
    version = APIRouter(prefix="/v1")
    version.include_router(contacts.router)
    version.include_router(workflows.router)
    app.include_router(version, prefix="/api")
    app.include_router(live.router)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "healthy"}

    return app


app = create_app()
