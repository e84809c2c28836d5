"""Who asks, without a line in the app: the sources of `OTELIER_USER_FROM`.

The first source of the list that answers tells the user's id; an earlier one that answers later
replaces it, and what the app itself binds stands above all. Looked at are: headers as a request
begins; scope and state where a route is entered, where the app sets `request.state`, behind
Starlette's authentication, and before the answer; dependencies as FastAPI keeps what they returned,
by the name of what the app depends on, whatever overrides it; tokens as the app decodes them and
checks the signature.

Nothing is hooked for a kind that the list does not have. Runs in the task or thread of the request;
a fault of ours is counted, and the request goes on. Nothing is called but `__getattr__` and
properties of what is looked at, and of an ORM's object not even these: they might ask the database.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from functools import partial
from types import MethodType, ModuleType
from typing import Any

from otelier import _guard, identity
from otelier.context import SCOPE_KEY, RequestContext, current_request
from otelier.instrumentation.claims import watch_tokens
from otelier.instrumentation.network import Members, peer
from otelier.instrumentation.observe import Patches
from otelier.sources import Source

Scope = MutableMapping[str, Any]
Placed = tuple[int, Source]
"""A source and its place in the list."""

_AUTHENTICATION = "starlette.middleware.authentication"
_STARTS = frozenset(("http.response.start", "websocket.accept"))
_LOOKED_FOR = ("id", "user_id", "identity", "username", "sub")
_MOST_FUNCTIONS = 4096


class Users:
    """Finds who asks; one for the process, and none where the list is empty."""

    def __init__(self, sources: Sequence[Source]) -> None:
        def of(*kinds: str) -> list[Placed]:
            return [(n, source) for n, source in enumerate(sources) if source.kind in kinds]

        self._headers = [
            (n, source.name.encode("ascii"), Members(source.networks)) for n, source in of("header")
        ]
        self._entries = of("scope", "state")
        self._states: dict[str, list[Placed]] = {}
        for placed in of("state"):
            self._states.setdefault(placed[1].name, []).append(placed)
        self._dependencies = of("dependency")
        self._claims = of("claim")
        self._by_function: dict[Any, list[Placed]] = {}

    def observe(self, patches: Patches) -> None:
        """Hook what the sources need, once the app imports it."""
        if self._entries:
            patches.after_import("starlette.routing", partial(self._watch_routes, patches))
            patches.after_import("fastapi.routing", partial(self._watch_routes, patches))
        if any(source.kind == "scope" for _, source in self._entries):
            patches.after_import(_AUTHENTICATION, partial(self._watch_authentication, patches))
        if self._states:
            patches.after_import("starlette.datastructures", partial(self._watch_state, patches))
        if self._dependencies:
            patches.after_import("fastapi.routing", partial(self._watch_solving, patches))
        for module in sorted({s.name.partition(":")[0] for _, s in self._dependencies}):
            patches.after_import(module, self._check)
        if self._claims:
            watch_tokens(patches, self._claimed)

    def watch(self, request: RequestContext, scope: Scope, receive: Any, send: Any) -> Any:
        """What is known as the request begins; gives what is to be called to send."""
        if self._headers:
            self._try(self._read_headers, request, scope, receive)
        if self._states:
            request.state = scope.setdefault("state", {})
        if not self._entries:
            return send

        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] in _STARTS:
                self._try(self._look, request, scope)
            await send(message)

        return sending

    def _tell(self, request: RequestContext, placed: Placed, value: object) -> None:
        place, source = placed
        if not request.wants_user(place):
            return  # nothing of the app's is read for nothing
        try:
            for step in source.path:
                value = _step(value, step)
            shown = identity.shown(_id_in(value) if not source.path else value)
            if shown is not None:
                request.name_user(shown, place)
        except Exception as error:
            _guard.fault(f"looking for a user in {source.name}", error)

    def _try(self, look: Callable[..., None], *given: Any) -> None:
        try:
            look(*given)
        except Exception as error:
            _guard.fault("looking for a user", error)

    def _look(self, request: RequestContext, scope: Scope) -> None:
        if self._states:
            request.state = scope.get("state")  # middleware may have put another in its place
        for placed in self._entries:
            source = placed[1]
            found = scope if source.kind == "scope" else request.state
            if isinstance(found, Mapping) and source.name in found:
                self._tell(request, placed, found[source.name])

    def _read_headers(self, request: RequestContext, scope: Scope, receive: Any) -> None:
        for place, name, proxies in self._headers:
            values = [value for key, value in scope.get("headers") or () if key == name]
            if len(values) == 1 and proxies.include(peer(scope, receive)):
                source = Source("header", name.decode("ascii"))
                self._tell(request, (place, source), values[0].decode("latin-1"))

    def _watch_routes(self, patches: Patches, routing: ModuleType) -> None:
        for name in ("Route", "WebSocketRoute", "Mount", "APIRoute"):
            kind = vars(routing).get(name)
            if kind is not None and kind.__module__ == routing.__name__:
                patches.replace(kind, "handle", self._entering)

    def _watch_authentication(self, patches: Patches, module: ModuleType) -> None:
        """Middleware behind it, a route's own too, says things before a route is entered."""

        def make(original: Any) -> Any:
            async def call(theirs: Any, scope: Scope, receive: Any, send: Any) -> None:
                await original(_Authenticating(theirs, self._entered), scope, receive, send)

            return call

        patches.replace(module.AuthenticationMiddleware, "__call__", make)

    def _entering(self, original: Any) -> Any:
        def handle(route: Any, scope: Scope, receive: Any, send: Any) -> Any:
            self._entered(scope)
            return original(route, scope, receive, send)

        return handle

    def _entered(self, scope: Scope) -> None:
        request = scope.get(SCOPE_KEY)
        if request is not None:
            self._try(self._look, request, scope)

    def _watch_state(self, patches: Patches, module: ModuleType) -> None:
        """`request.state.user = …`, and the same by key."""

        def make(original: Any) -> Any:
            def set_entry(state: Any, name: Any, value: Any) -> None:
                original(state, name, value)
                if name in self._states:
                    self._try(self._stated, state, name, value)

            return set_entry

        patches.replace(module.State, "__setattr__", make)
        patches.replace(module.State, "__setitem__", make)

    def _stated(self, state: Any, name: str, value: object) -> None:
        request = current_request.get()
        if request is not None and vars(state).get("_state") is request.state:
            for placed in self._states[name]:
                self._tell(request, placed, value)

    def _watch_solving(self, patches: Patches, routing: ModuleType) -> None:
        """FastAPI keeps what each dependency returns, under the function that asked for it."""

        def make(original: Any) -> Any:
            def solve_dependencies(**given: Any) -> Any:
                try:
                    request = given["request"].scope.get(SCOPE_KEY)
                    if request is not None and given.get("dependency_cache") is None:
                        given["dependency_cache"] = _Returned(partial(self._returned, request))
                except Exception as error:
                    _guard.fault("watching dependencies", error)
                return original(**given)

            return solve_dependencies

        patches.replace(routing, "solve_dependencies", make)

    def _returned(self, request: RequestContext, function: Any, value: object) -> None:
        found = self._by_function.get(function)
        if found is None:
            found = [d for d in self._dependencies if _is_called(function, d[1].name)]
            if len(self._by_function) >= _MOST_FUNCTIONS:
                self._by_function.clear()
            self._by_function[function] = found
        for placed in found:
            self._tell(request, placed, value)

    def _check(self, module: ModuleType) -> None:
        """Say of a name that its module does not have."""
        for _, source in self._dependencies:
            path, _, name = source.name.partition(":")
            if path == module.__name__ and _find(module, name) is None:
                _guard.write(
                    f"OTELIER_USER_FROM names {source.name!r}: there is no {name!r} in {path!r}; "
                    "going on without it"
                )

    def _claimed(self, claims: Mapping[str, Any]) -> None:
        request = current_request.get()
        if request is not None:
            for placed in self._claims:
                self._tell(request, placed, claims.get(placed[1].name))


class _Authenticating:
    """Starlette's middleware for its own `__call__`: tells of the scope that its app is given."""

    __slots__ = ("_tell", "_theirs")

    def __init__(self, theirs: Any, tell: Callable[[Scope], None]) -> None:
        self._theirs = theirs
        self._tell = tell

    def __getattr__(self, name: str) -> Any:
        return getattr(self._theirs, name)

    def app(self, scope: Scope, receive: Any, send: Any) -> Any:
        self._tell(scope)
        return self._theirs.app(scope, receive, send)


class _Returned(dict[Any, Any]):
    """What dependencies have returned, by FastAPI's key: the function first."""

    def __init__(self, tell: Callable[[Any, object], None]) -> None:
        super().__init__()
        self._tell = tell

    def __bool__(self) -> bool:
        """True: until 0.120 an empty one was replaced."""
        return True

    def __setitem__(self, key: Any, value: object) -> None:
        super().__setitem__(key, value)
        try:
            self._tell(key[0], value)
        except Exception as error:
            _guard.fault("looking for a user in a dependency", error)


def _step(value: Any, name: str) -> Any:
    """An entry or attribute; None where there is none, or an ORM would have to load it."""
    if isinstance(value, Mapping):
        return value.get(name)
    own = getattr(value, "__dict__", {})
    if name in own:
        return own[name]
    return None if "_sa_instance_state" in own else getattr(value, name, None)


def _id_in(value: Any) -> object:
    """The id of a user of whatever class, or the id itself; None of one who is not known."""
    if value is None or identity.id_text(value) is not None:
        return value
    if _quietly(value, "is_authenticated") is False:
        return None
    for name in _LOOKED_FOR:
        found = _quietly(value, name)
        if identity.id_text(found) is not None:
            return found
    return None


def _quietly(value: Any, name: str) -> Any:
    """Starlette's `SimpleUser` has an `identity` that raises."""
    try:
        return _step(value, name)
    except Exception:
        return None


def _is_called(function: Any, name: str) -> bool:
    """Whether it is the function of that name, an object of the class of that name, or what the
    module has there: a method of an object too."""
    return name in (_name(function), _name(type(function))) or _is_there(function, name)


def _name(function: Any) -> str:
    return f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', '')}"


def _is_there(function: Any, name: str) -> bool:
    module, _, path = name.partition(":")
    if module not in sys.modules:
        return False
    found = _find(sys.modules[module], path)
    # A method is another object each time it is asked for.
    return found is function or (isinstance(found, MethodType) and found == function)


def _find(owner: Any, path: str) -> Any:
    for name in path.split("."):
        owner = getattr(owner, name, None)
    return owner
