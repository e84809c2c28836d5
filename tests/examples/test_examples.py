"""The examples: plain code of an ordinary team, and they work without us.

Real parts: PostgreSQL, Redis, uvicorn.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from parts import free_ports
from parts import postgres as postgres_part
from parts import redis as redis_part
from parts.server import Server, command
from tests.e2e.conftest import Part

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(EXAMPLES.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(EXAMPLES)))
def test_nothing_of_telemetry_is_imported(file: Path) -> None:
    """No import of otelier or opentelemetry anywhere, but where the CRM counts for its owners."""
    allowed = {"otelier"} if file.name == "numbers.py" else set()
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in getattr(node, "names", [])]
        names.append(getattr(node, "module", None) or "")
        found = {name.split(".")[0] for name in names} & {"otelier", "opentelemetry"}
        assert found <= allowed


def test_minimal_has_twelve_lines() -> None:
    """As its page says."""
    assert len((EXAMPLES / "minimal" / "app.py").read_text().splitlines()) == 12


@pytest.mark.parametrize("observed", [False, True])
def test_minimal(observed: bool, tmp_path: Path) -> None:
    """It answers the same with and without us, but for the request id."""
    (port,) = free_ports(1)
    line = command("uvicorn", "app:app", port, tmp_path)
    with Server(line, port, EXAMPLES / "minimal", observed=observed) as server:
        answer = httpx.get(f"{server.url}/hello/you")
    assert (answer.status_code, answer.json()) == (200, {"hello": "you"})
    assert ("x-request-id" in answer.headers) == observed


@pytest.mark.parametrize("observed", [False, True])
def test_crm(observed: bool, part: Part, tmp_path: Path) -> None:
    """Every endpoint of the CRM does what its page says, with and without us."""
    database, cache = part(postgres_part.postgres), part(redis_part.redis)
    (port,) = free_ports(1)
    stores = {"DATABASE_URL": database.url, "REDIS_URL": cache.url, "OTELIER_STOP_TIMEOUT": "0.1"}
    line = command("uvicorn", "crm.app:app", port, tmp_path)
    with Server(line, port, EXAMPLES / "crm", stores, observed=observed) as server:
        use(server.url, f"{'observed' if observed else 'bare'}@example.org")
        watch(server.url)


def use(url: str, address: str) -> None:
    with httpx.Client(base_url=url, timeout=20) as client:
        assert client.get("/api/v1/contacts/1").status_code == 401
        client.headers["Authorization"] = "Bearer ada-token"
        assert client.get("/api/v1/contacts/1").json()["name"] == "Chidi"
        assert client.get("/api/v1/contacts/9999").status_code == 404
        new = {"name": "Gil", "email": address}
        assert client.post("/api/v1/contacts", json=new).status_code == 201
        assert client.post("/api/v1/contacts", json=new).status_code == 409
        imported = client.post(
            "/api/v1/contacts/import", json=[new, {**new, "email": f"x{address}"}]
        )
        assert imported.json() == {"imported": 1, "known": 1}
        assert address in client.get("/api/v1/contacts/export").text
        assert client.post("/api/v1/workflows", json={"name": "w"}).status_code == 201
        assert client.post("/api/v1/workflows/1/run/1").status_code == 202
        enrolled = client.post("/api/v1/workflows/1/enrol", json={"contact_ids": [1, 2]})
        assert enrolled.json() == {"enrolled": 2}
        report = client.get("/api/v1/workflows/report")
        assert report.elapsed.total_seconds() > 0.6
        assert report.json()["enrol"] >= 2
        assert client.get("/health").status_code == 200
    failed = httpx.post(f"{url}/api/v1/workflows/1/test", headers=client.headers)
    assert failed.status_code == 500


def watch(url: str) -> None:
    with connect(f"{url.replace('http', 'ws')}/live") as socket:
        socket.send("how many")
        assert json.loads(socket.recv(timeout=10))["actions"] >= 3
