"""The servers that demo and tests start: they answer, say what they are, and go."""

from __future__ import annotations

import socket

import pytest
import redis as client
import sqlalchemy

from parts.postgres import postgres
from parts.redis import redis
from tests.e2e.conftest import Part


def test_postgres(part: Part) -> None:
    """A real PostgreSQL that keeps what it is given."""
    database = part(postgres)
    engine = sqlalchemy.create_engine(database.url.replace("postgresql:", "postgresql+psycopg:", 1))
    with engine.begin() as connection:
        version = connection.scalar(sqlalchemy.text("show server_version"))
    engine.dispose()
    assert "PostgreSQL" in database.origin
    assert version.split(".")[0] in database.origin or "DATABASE_URL" in database.origin


@pytest.mark.parametrize("wheel", [True, False], ids=["wheel", "first that is there"])
def test_redis(wheel: bool) -> None:
    """The wheel's Valkey works, whatever else is installed; so does what is taken by default."""
    with redis(wheel=wheel) as server:
        with client.Redis.from_url(server.url) as asking:
            assert asking.set("k", "v")
            assert asking.get("k") == b"v"
        assert ("Valkey" in server.origin) or not wheel
        address = server.url.removeprefix("redis://").partition("/")[0].split(":")
    if "REDIS_URL" not in server.origin:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((address[0], int(address[1])), timeout=1)
