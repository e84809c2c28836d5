"""Real servers for the end-to-end tests: one PostgreSQL and one Redis for the whole run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from otelier.cli.receiver import Receiver
from parts import postgres as postgres_part
from parts import redis as redis_part

CRM = Path(__file__).parents[2] / "examples" / "crm"
BUSINESS = frozenset(
    ("action.executed", "enrolment.bulk", "enrolment.size", "user.active", "workflow.created")
)
"""Metrics of the CRM's own."""

Part = Callable[[Callable[[], AbstractContextManager[Any]]], Any]


@pytest.fixture(scope="session")
def stores(part: Part) -> dict[str, str]:
    """DATABASE_URL and REDIS_URL of real servers."""
    database, cache = part(postgres_part.postgres), part(redis_part.redis)
    print(f"real parts: {database.origin}; {cache.origin}")
    return {"DATABASE_URL": database.url, "REDIS_URL": cache.url}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as listening:
        yield listening
