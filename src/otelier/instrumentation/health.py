"""`/health`, `/health/live` and `/health/ready`, where the app leaves them to us.

`live`: the process answers; nothing is asked. `ready`: it is not told to stop, and all that it
needs can be reached. The first: each kind of what it needs by name, in words. More (which engine or
client, class of the error, milliseconds) is for those who show the token, or ask from this machine,
if the settings say so. GET and HEAD; whatever else is asked is the app's.

Runs on the app's event loop. Where ours fails, the app answers, as without us.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from opentelemetry.metrics import Counter, get_meter

from otelier import _guard, signals
from otelier.fixed import fixed
from otelier.instrumentation import vacant
from otelier.instrumentation.attempts import Finding
from otelier.instrumentation.checks import checks
from otelier.instrumentation.echo import Message
from otelier.instrumentation.exchange import Send
from otelier.instrumentation.network import peer
from otelier.instrumentation.observe import SCHEMA_URL
from otelier.instrumentation.servers import role
from otelier.instrumentation.vacant import Asking, Scope, has_route
from otelier.privacy import mask_text
from otelier.version import __version__

LOOPBACK = "loopback"
HEALTH, LIVE, READY = ENDPOINTS = ("health", "live", "ready")
"""In the order in which the setting names their paths."""

_METHODS = ("GET", "HEAD")
_STORES = ("database", "redis")
_FORWARDED = (b"forwarded", b"via", b"x-forwarded-for", b"x-real-ip")


@fixed
class Answer:
    """Status and body."""

    status: int
    body: Mapping[str, Any]

    def messages(self, *, is_head: bool) -> tuple[Message, Message]:
        text = json.dumps(self.body, separators=(",", ":")).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(text)),
            (b"cache-control", b"no-store"),
        ]
        start = {"type": "http.response.start", "status": self.status, "headers": headers}
        return start, {"type": "http.response.body", "body": b"" if is_head else text}


class Health:
    """The endpoints. paths: of each in the order of `ENDPOINTS`; none, and there are none.

    detail: who is told more: `LOOPBACK`, whoever shows this token, or nobody.
    """

    def __init__(self, paths: Sequence[str] = (), detail: str | None = None) -> None:
        self.endpoints = dict(zip(paths, ENDPOINTS, strict=bool(paths)))
        self._detail = detail
        self._requests: Counter | None = None

    def standing_before(self, app: Any, scope: Scope, path: str) -> StandIn | None:
        """What takes the request in the app's place; None where it is the app's."""
        endpoint = self.endpoints.get(path)
        if endpoint is None or scope["type"] != "http" or scope["method"] not in _METHODS:
            return None
        if not _is_on_asyncio():
            return None
        if has_route(app, scope) or vacant.is_known(app, scope):
            return None
        return StandIn(self, endpoint, path, app)

    async def answer(self, endpoint: str, scope: Scope, receive: Any) -> Answer:
        if endpoint == LIVE:
            return Answer(200, {"status": "alive"})
        if endpoint == READY and role.is_stopping:
            return Answer(503, {"status": "not ready"})
        findings = await checks.findings()
        is_well = all(finding.error is None for finding in findings)
        status = 200 if is_well else 503
        if endpoint == READY:
            return Answer(status, {"status": "ready" if is_well else "not ready"})
        more = {"checks": _detail(findings)} if self._may_know(scope, receive) else {}
        words = {"status": "healthy" if is_well else "unhealthy", **_words(findings)}
        return Answer(
            status, {**words, **more, "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        )

    def count(self, path: str, status: int) -> None:
        if self._requests is None:
            meter = get_meter("otelier.health", __version__, schema_url=SCHEMA_URL)
            self._requests = meter.create_counter(
                signals.HEALTH_REQUESTS, "{request}", "Requests that a health endpoint answered."
            )
        self._requests.add(1, {signals.ROUTE: path, signals.STATUS_CODE: status})

    def _may_know(self, scope: Scope, receive: Any) -> bool:
        if self._detail is None:
            return False
        headers = dict(scope["headers"])
        if self._detail == LOOPBACK:
            # A proxy on this machine asks for others, and says so.
            return _is_here(peer(scope, receive)) and headers.keys().isdisjoint(_FORWARDED)
        shown = headers.get(b"authorization", b"")
        return hmac.compare_digest(shown, b"Bearer " + self._detail.encode())


class StandIn:
    """An ASGI app for one request to an endpoint, before the app that the request came to."""

    def __init__(self, health: Health, endpoint: str, path: str, app: Any) -> None:
        self._health = health
        self._endpoint = endpoint
        self._path = path
        self._app = app

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        try:
            asking = self._asking(scope, send)
        except Exception as error:
            _guard.fault("putting a request to the app", error)
            await self._app(scope, receive, send)
            return
        if asking is not None:
            await asking.run(receive)
            if asking.answered:
                return
        answer = await self._answer(scope, receive)
        if answer is not None:
            for message in answer:
                await send(message)
        elif asking is not None:
            await asking.release()
        else:
            await self._app(scope, receive, send)
        if asking is not None and asking.error is not None:
            raise asking.error

    def _asking(self, scope: Scope, send: Send) -> Asking | None:
        """What puts it to the app; None if that is known to have no answer."""
        if vacant.is_known(self._app, scope) is not None:
            return None
        if self._endpoint != LIVE:
            checks.begin()  # meanwhile
        return Asking(self._app, scope, send)

    async def _answer(self, scope: Scope, receive: Any) -> tuple[Message, Message] | None:
        try:
            answer = await self._health.answer(self._endpoint, scope, receive)
            self._health.count(self._path, answer.status)
            return answer.messages(is_head=scope["method"] == "HEAD")
        except Exception as error:
            _guard.fault("telling of the app's health", error)
            return None


def _is_on_asyncio() -> bool:
    """SQLAlchemy's and Redis's async clients know no other loop."""
    try:
        return asyncio.get_running_loop() is not None
    except RuntimeError:
        return False


def _words(findings: Sequence[Finding]) -> dict[str, str]:
    """Each kind once, and well if all of its kind are."""
    words: dict[str, str] = {}
    for finding in findings:
        well, ill = _well_and_ill(finding.kind)
        if finding.error is not None:
            words[finding.kind] = ill
        else:
            words.setdefault(finding.kind, well)
    return words


def _well_and_ill(kind: str) -> tuple[str, str]:
    return ("connected", "disconnected") if kind in _STORES else ("healthy", "unhealthy")


def _detail(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [
        {
            "kind": finding.kind,
            "name": mask_text(finding.title),
            "status": _well_and_ill(finding.kind)[finding.error is not None],
            "milliseconds": round(finding.seconds * 1000, 1),
            **({"error": finding.error} if finding.error is not None else {}),
        }
        for finding in findings
    ]


def _is_here(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
