"""The route template of a request, mount prefixes included.

`handle` of a route runs once for each level that matched: the mounts from the outside in, then the
route. Each adds its part to the request's box; no route is searched for, so the cost does not grow
with their number. (`scope` alone does not have it: mounts leave a concrete path there, Starlette's
routes nothing, and FastAPI from 0.139 on a template without the prefix of `include_router`.)
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from types import ModuleType
from typing import Any

from otelier import _guard
from otelier.context import SCOPE_KEY, RequestContext
from otelier.instrumentation.observe import Patches

Scope = MutableMapping[str, Any]
_MOUNTED_REST = "/{path}"


def watch_starlette(patches: Patches, routing: ModuleType) -> None:
    """Hook `starlette.routing`."""
    patches.replace(routing.Route, "handle", _telling(_route))
    patches.replace(routing.WebSocketRoute, "handle", _telling(_route))
    patches.replace(routing.Mount, "handle", _telling(_mount))


def watch_fastapi(patches: Patches, routing: ModuleType) -> None:
    """Hook `fastapi.routing`, where it has a `handle` of its own."""
    patches.replace(routing.APIRoute, "handle", _telling(_route))


def _telling(tell: Callable[[RequestContext, Any, Scope], None]) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        async def handle(route: Any, scope: Scope, receive: Any, send: Any) -> None:
            request = scope.get(SCOPE_KEY)
            if request is not None:
                try:
                    tell(request, route, scope)
                except Exception as error:
                    _guard.fault("naming a route", error)
            await original(route, scope, receive, send)

        return handle

    return make


def _mount(request: RequestContext, mount: Any, scope: Scope) -> None:
    template = _template(mount, scope)
    request.mount_prefix += template.removesuffix(_MOUNTED_REST)
    request.route = request.mount_prefix + _MOUNTED_REST


def _route(request: RequestContext, route: Any, scope: Scope) -> None:
    request.route = request.mount_prefix + _template(route, scope)


def _template(route: Any, scope: Scope) -> str:
    included = scope.get("fastapi", {}).get("effective_route_context")
    if included is not None and included.original_route is route:
        full = included.starlette_route or included
        return str(full.path_format)
    return str(route.path_format)
