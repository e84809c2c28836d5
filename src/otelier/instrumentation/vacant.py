"""Whether an app leaves a path to us: its own answers come first.

Its own is a path that any of its routes, mounts, hosts or catch-alls matches, whatever the method
and whatever comes of it; a path that the router would redirect to such a one, and every path where
the app has put something behind its routes. That is looked up for each request, without calling
anything but the routes' `matches`.

Middleware may answer a path that no route has. So the first request for a path is put to the app,
and what it says is kept back until it is plain whether it is an answer: success (2xx), which stands
for good, or a server error that it sends itself, which stands this once. Everything else (404, a
refusal, a redirect, an exception, no answer within a second) leaves the path to us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, MutableMapping
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from otelier import _guard
from otelier.instrumentation.attempts import SECONDS
from otelier.instrumentation.echo import Message
from otelier.instrumentation.exchange import Send

Scope = MutableMapping[str, Any]

_known: WeakKeyDictionary[Any, dict[tuple[str, str], bool]] = WeakKeyDictionary()
"""Of each app, for path and method: whether its middleware has an answer of its own."""


def has_route(app: Any, scope: Mapping[str, Any]) -> bool:
    """Whether the app's routes, as far as it has any, have an answer to this. May raise."""
    app = _itself(app)
    router = getattr(app, "router", None)
    if router is None:
        return False
    if router.default != router.not_found:
        return True
    root = getattr(app, "root_path", "") or scope.get("root_path", "")
    asked: dict[str, Any] = {**scope, "app": app, "router": router, "root_path": root}
    return any(_matches(router, {**asked, "path": path}) for path in _spellings(router, scope))


def _spellings(router: Any, scope: Mapping[str, Any]) -> Iterator[str]:
    path = scope["path"]
    yield path
    if router.redirect_slashes:
        yield path.rstrip("/") if path.endswith("/") else f"{path}/"


def _matches(router: Any, scope: dict[str, Any]) -> bool:
    from starlette.routing import Match

    if any(route.matches(scope)[0] is not Match.NONE for route in router.routes):
        return True
    # FastAPI's `app.frontend(…)`, behind all routes.
    last = getattr(router, "_match_low_priority", None)
    return last is not None and last(scope)[0] is not Match.NONE


def is_known(app: Any, scope: Mapping[str, Any]) -> bool | None:
    """Whether its middleware has an answer of its own; None if it was not asked yet."""
    try:
        return _known.get(_itself(app), {}).get((scope["path"], scope["method"]))
    except TypeError:
        return None  # an app that cannot be remembered is asked each time


def _remember(app: Any, scope: Mapping[str, Any], *, answers: bool) -> None:
    try:
        _known.setdefault(_itself(app), {})[scope["path"], scope["method"]] = answers
    except TypeError:
        return
    except Exception as error:
        _guard.fault("remembering who answers a path", error)


def _itself(app: Any) -> Any:
    """Our hooks hand on the method that was there before, bound to the app."""
    while isinstance(app, partial):
        app = app.args[0]
    return app


class Asking:
    """One request that is put to an app whose routes do not have it.

    answered: whether the app's answer has gone out. error: what the app has raised.
    """

    def __init__(self, app: Any, scope: Scope, send: Send) -> None:
        self._app = app
        self._scope = scope
        self._key = dict(scope)  # the app writes into the scope, below a mount even over the path
        self._send = send
        self._status = 0
        self._held: list[Message] = []
        self._end = asyncio.timeout(SECONDS)
        self.answered = False
        self.error: Exception | None = None

    async def run(self, receive: Any) -> None:
        try:
            async with self._end:
                await self._app(self._scope, receive, self.send)
        except Exception as error:
            if self.answered:
                raise
            if not self._end.expired():
                self.error = error
            return
        if self._status >= 500:
            await self.release()
        elif not self.answered and self._status:
            _remember(self._app, self._key, answers=False)

    async def send(self, message: Message) -> None:
        if self.answered:
            await self._send(message)
            return
        self._held = [*self._held, message]
        if message["type"] == "http.response.start":
            self._status = message["status"]
            if 200 <= self._status < 300:
                self._stands()
                await self.release()

    def _stands(self) -> None:
        _remember(self._app, self._key, answers=True)
        try:
            self._end.reschedule(None)
        except Exception as error:
            _guard.fault("waiting for an app's own answer", error)

    async def release(self) -> None:
        """What the app has said goes out after all."""
        self.answered = True
        held, self._held = self._held, []
        for message in held:
            await self._send(message)
