"""The route template of a request, mount prefixes included.

`handle` of a route runs once for each level that matched: the mounts from the outside in, then the
route. Each adds its part to the request's box; no route is searched for, so the cost does not grow
with their number. (`scope` alone does not have it: mounts leave a concrete path there, Starlette's
routes nothing, and FastAPI from 0.139 on a template without the prefix of `include_router`.)

It begins with the application's root (`uvicorn --root-path`, `FastAPI(root_path=…)`), as the
convention for `http.route` wants it: FastAPI's own telemetry and `url.path` have it too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from types import ModuleType
from typing import Any

from otelier import _guard
from otelier.context import SCOPE_KEY, RequestContext, current_request
from otelier.instrumentation.observe import Patches

Scope = MutableMapping[str, Any]
_MOUNTED_REST = "/{path}"
_CLIENT_ERRORS = range(400, 500)


def watch_starlette(patches: Patches, routing: ModuleType) -> None:
    """Hook `starlette.routing`."""
    patches.replace(routing.Route, "handle", _telling(_route))
    patches.replace(routing.WebSocketRoute, "handle", _telling(_route))
    patches.replace(routing.Mount, "handle", _telling(_mount))


def watch_handlers(patches: Patches, module: ModuleType) -> None:
    """Hook `starlette._exception_handler`, where a handler is looked up for an exception."""
    patches.replace(module, "_lookup_exception_handler", _noting)


def _noting(original: Any) -> Any:
    """Remember what the answer is made of: nothing else knows, once there is one."""

    def look_up(handlers: Any, error: Any) -> Any:
        request = current_request.get()
        if request is not None and getattr(error, "status_code", 500) not in _CLIENT_ERRORS:
            request.handled = error
        return original(handlers, error)

    return look_up


def watch_fastapi(patches: Patches, routing: ModuleType) -> None:
    """Hook `fastapi.routing`, where it has a `handle` of its own."""
    patches.replace(routing.APIRoute, "handle", _telling(_route))
    if hasattr(routing, "_FrontendRouteGroup"):  # `app.frontend(…)`, which has no public route
        patches.replace(routing._FrontendRouteGroup, "handle", _telling(_frontend))


def watch_responses(patches: Patches, responses: ModuleType) -> None:
    """Hook the responses of `starlette.responses` that may break off."""
    for name in ("StreamingResponse", "FileResponse"):
        patches.replace(getattr(responses, name), "__call__", _noticing)


def _noticing(original: Any) -> Any:
    """Remember what broke an answer off.

    `BaseHTTPMiddleware` ends such an answer as if it were whole, and raises afterwards: by the last
    byte, which ends the span, only the response knows.
    """

    async def call(response: Any, scope: Scope, receive: Any, send: Any) -> None:
        try:
            await original(response, scope, receive, send)
        except Exception as error:
            request = scope.get(SCOPE_KEY)
            if request is not None:
                request.broken_by = error
            raise

    return call


def _telling(tell: Callable[[RequestContext, Any, Scope], None]) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        # Hands the original's coroutine on: an `async def` would be one more frame to resume.
        def handle(route: Any, scope: Scope, receive: Any, send: Any) -> Awaitable[None]:
            request = scope.get(SCOPE_KEY)
            # FastAPI's `handle` goes on to Starlette's.
            if request is not None and request.routed_by is not route:
                try:
                    tell(request, route, scope)
                except Exception as error:
                    _guard.fault("naming a route", error)
            handled: Awaitable[None] = original(route, scope, receive, send)
            return handled

        return handle

    return make


def _mount(request: RequestContext, mount: Any, scope: Scope) -> None:
    request.mount_prefix += _template(mount, scope).removesuffix(_MOUNTED_REST)
    request.route = _root(scope) + request.mount_prefix + _MOUNTED_REST


def _route(request: RequestContext, route: Any, scope: Scope) -> None:
    request.route = _root(scope) + request.mount_prefix + _template(route, scope)
    request.routed_by = route


def _frontend(request: RequestContext, group: Any, scope: Scope) -> None:
    """The folder that is looked into, of those that the app has under one router."""
    included = _included(scope)
    prefix = included.frontend_prefix if getattr(included, "original_route", 0) is group else ""
    _, _, folder = group._match(scope, prefix=prefix)
    if folder is not None:
        path = (prefix.rstrip("/") + folder.path).rstrip("/")
        request.route = _root(scope) + request.mount_prefix + path + _MOUNTED_REST


def _root(scope: Scope) -> str:
    """Below a mount, `root_path` is longer than the application's."""
    root = scope.get("app_root_path")
    if root is None:
        root = scope.get("root_path", "")
    return str(root).rstrip("/")


def _template(route: Any, scope: Scope) -> str:
    included = _included(scope)
    if included is not None and included.original_route is route:
        full = included.starlette_route or included
        return str(full.path_format)
    return str(route.path_format)


def _included(scope: Scope) -> Any:
    """What FastAPI knows of the route that it has chosen, if that is in an included router."""
    return scope.get("fastapi", {}).get("effective_route_context")
