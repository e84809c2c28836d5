"""What the people who use the CRM do: a few seconds of it, bounded in count."""

from __future__ import annotations

import httpx

ROUNDS = 40
FIRST = "/api/v1/contacts/1"
TOKEN = {"Authorization": "Bearer ada-token"}


def first_request(url: str) -> httpx.Response:
    """Nothing is in the cache yet: it asks Redis, then PostgreSQL, for the user and the contact."""
    return httpx.get(f"{url}{FIRST}", headers=TOKEN, timeout=20)


def send(url: str) -> int:
    """Reads, writes, a stream, background tasks, slow and failing requests; how many were sent."""
    sent = 0
    with httpx.Client(base_url=url, headers=TOKEN, timeout=20) as client:
        for number in range(ROUNDS):
            for method, path, body in _round(number):
                client.request(method, path, json=body)
                sent += 1
        client.get("/api/v1/workflows/report")
        client.get("/health/ready")  # of no span: it does not count
    httpx.post(f"{url}/api/v1/workflows/1/test", headers=TOKEN, timeout=20)
    return sent + 2


def _round(number: int) -> list[tuple[str, str, object]]:
    wanted: list[tuple[str, str, object]] = [
        ("GET", f"/api/v1/contacts/{1 + number % 4}", None),
        ("GET", "/api/v1/contacts", None),
    ]
    if number % 4 == 0:
        new = {"name": "Fay", "email": f"fay{number}@example.org"}
        wanted.append(("POST", "/api/v1/contacts", new))
        wanted.append(("POST", "/api/v1/workflows/1/run/1", None))
    if number % 10 == 0:
        wanted.append(("POST", "/api/v1/workflows/1/enrol", {"contact_ids": [1, 2, 3]}))
        wanted.append(("GET", "/api/v1/contacts/export", None))
        wanted.append(("POST", "/api/v1/workflows", {"name": f"campaign {number}"}))
        twice = [{"name": "Hao", "email": f"hao{number}@example.org"}] * 2
        wanted.append(("POST", "/api/v1/contacts/import", twice))
    return wanted
