"""What is the same for every command of a kind to one server: attributes, span name, time series.

A server is what the client was told to talk to (host and port, socket or Sentinel's service name,
and database index), not the node that happened to answer. `Servers` finds it by the connection
pool, or a cluster's client, and keeps neither alive. Everything here is bounded: an app that makes
a client a request, or command names out of data, costs time and no memory.

Any thread may call; two that make the same thing at once both succeed and one of the two is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import ref

from opentelemetry.trace import Span

from otelier import signals
from otelier.export.preset import Preset
from otelier.instrumentation import commands
from otelier.instrumentation.cache_hits import Hits, Lookups
from otelier.instrumentation.key_patterns import KEYED

Record = Callable[[float, Span | None], object]
"""Puts a duration in seconds, measured under a span, into one time series."""

Series = Callable[[dict[str, Any]], Record]
"""Finds the time series of attributes."""

_DEFAULT_PORT = 6379
_MORE = commands.MOST_ARGUMENTS + 2
_MOST_NAMES, _MOST_SERVERS, _MOST_FAILURES = 1000, 200, 200


class Command:
    """A kind of command to one server.

    record: None for what is kept out of the histogram. waiting: what it is if it is told to BLOCK.
    lookups: of one that reads what may be missing.
    """

    __slots__ = ("has_key", "lookups", "name", "operation", "preset", "record", "server", "waiting")

    def __init__(
        self, server: Server, operation: str, text: str, *, measured: bool, has_key: bool = False
    ) -> None:
        about = server.about
        if operation:
            about = {**about, signals.DB_OPERATION: operation}
        self.server = server
        self.operation = operation
        self.name = operation or commands.SYSTEM
        self.preset = Preset({**about, signals.DB_TEXT: text} if text else about)
        self.record = server.series(about) if measured and server.series else None
        self.has_key = has_key
        self.lookups: Lookups | None = None
        self.waiting: Command | None = None


class Server:
    """One server and what is known of the commands that went to it.

    ready: commands that need no second look, by the first argument that the client was given, in a
    list by how many there were with the client itself. Longer ones are not in it.
    """

    def __init__(self, about: Mapping[str, Any], series: Series | None, hits: Hits | None) -> None:
        self.about = dict(about)
        self.series = series
        self._hits = hits
        self._lookups: dict[str | bytes, Lookups | None] = {}
        self.ready: list[dict[Any, Command]] = [{} for _ in range(_MORE + 1)]
        self._known: dict[tuple[str | bytes, int], Command | None] = {}
        self._batches: dict[tuple[str, str | bytes, int | None], Command] = {}
        self._failures: dict[tuple[str, str], Record] = {}

    def command(self, args: Sequence[Any]) -> Command | None:
        """The kind of this command, made if need be; None if it is not to be observed."""
        first = args[0] if isinstance(args[0], str | bytes) else ""
        key = (first, min(len(args), _MORE))
        if key in self._known:
            found = self._known[key]
        else:
            found = self._made(first, len(args))
            if len(self._known) < _MOST_NAMES:
                self._known[key] = found
                if found is not None and found.waiting is None and len(args) < _MORE:
                    self.ready[len(args) + 1][first] = found
        if found is not None and found.waiting is not None and commands.waits(args):
            return found.waiting
        return found

    def batch(self, prefix: str, given: Any, length: int | None) -> Command:
        """The kind of a pipeline.

        given: the name of the command that it consists of, None if there are several; length: that
        of each of these commands, None if they differ.
        """
        first = given if isinstance(given, str | bytes) else ""
        found = self._batches.get((prefix, first, length))
        if found is None:
            name, count = commands.name_of(first)
            text = commands.text_of(name, count + length - 1) if name and length else ""
            found = Command(self, f"{prefix} {name}".rstrip(), text, measured=True)
            if len(self._batches) < _MOST_NAMES:
                self._batches[prefix, first, length] = found
        return found

    def lookups(self, given: Any) -> Lookups | None:
        """Where replies of a command go, by its first argument; 0.1 microseconds."""
        first = given if isinstance(given, str | bytes) else ""
        if first in self._lookups:
            return self._lookups[first]
        name, _ = commands.name_of(first)
        about = {**self.about, signals.DB_OPERATION: name}
        found = self._hits.of(name, about) if self._hits is not None else None
        if len(self._lookups) < _MOST_NAMES:
            self._lookups[first] = found
        return found

    def failure(self, operation: str, kind: str) -> Record | None:
        """Where the duration of a failed operation goes. kind: its `error.type`."""
        found = self._failures.get((operation, kind))
        if found is None and self.series is not None:
            about = {**self.about, signals.ERROR_TYPE: kind}
            if operation:
                about[signals.DB_OPERATION] = operation
            found = self.series(about)
            if len(self._failures) < _MOST_FAILURES:
                self._failures[operation, kind] = found
        return found

    def _made(self, first: str | bytes, length: int) -> Command | None:
        name, behind = commands.name_of(first)
        if commands.is_quiet(name):
            return None
        text = commands.text_of(name, behind + length - 1) if name else ""
        has_key = name.upper() in KEYED
        measured = not commands.is_blocking(name)
        made = Command(self, name, text, measured=measured, has_key=has_key)
        made.lookups = self.lookups(first)
        if commands.may_block(name):
            made.waiting = Command(self, name, text, measured=False)
        return made


class Servers:
    """Finds the server that a client talks to.

    by_owner: `ready` of each server by the id of what its clients hold on to.
    """

    def __init__(self, series: Series, hits: Hits | None = None) -> None:
        self._hits = hits
        self.by_owner: dict[int, list[dict[Any, Command]]] = {}
        self._servers: dict[int, tuple[ref[Any], Server]] = {}
        self._by_address: dict[tuple[Any, ...], Server] = {}
        self._series: Series | None = series

    def of(self, owner: Any, address: Callable[[Any], tuple[Any, ...]]) -> Server:
        """The server of an owner: a connection pool or a cluster's client.

        address: host, port and database index, from the owner.
        """
        found = self._servers.get(id(owner))
        if found is not None:
            return found[1]
        server = self._at(address(owner))
        try:
            reference = ref(owner, self._forgetting(id(owner)))
        except TypeError:
            return server  # it cannot be watched: its address is read each time
        self._servers[id(owner)] = reference, server
        self.by_owner[id(owner)] = server.ready
        return server

    def seen(self) -> list[tuple[Any, Server]]:
        """Every owner that is alive, and its server."""
        owners = [(reference(), server) for reference, server in list(self._servers.values())]
        return [(owner, server) for owner, server in owners if owner is not None]

    def stop_measuring(self) -> None:
        """From now on no duration is recorded: somebody else does it."""
        self._series = None
        self.by_owner.clear()
        self._servers.clear()
        self._by_address.clear()

    def _at(self, address: tuple[Any, ...]) -> Server:
        server = self._by_address.get(address)
        if server is None:
            server = Server(about(*address), self._series, self._hits)
            if len(self._by_address) < _MOST_SERVERS:
                self._by_address[address] = server
        return server

    def _forgetting(self, key: int) -> Callable[[object], None]:
        """Called when an owner is gone and before its id can be another's."""

        def forget(_: object) -> None:
            self.by_owner.pop(key, None)
            self._servers.pop(key, None)

        return forget


def of_pool(pool: Any) -> tuple[Any, ...]:
    """The address that a connection pool was configured with."""
    how = pool.connection_kwargs
    database = how.get("db") or 0
    if path := how.get("path"):
        return path, None, database
    if service := getattr(pool, "service_name", None):
        return service, None, database  # Sentinel knows who serves it today
    return how.get("host", "localhost"), how.get("port", _DEFAULT_PORT), database


def of_cluster(client: Any) -> tuple[Any, ...]:
    """The node that a cluster's client was told of first; a cluster has the one database 0."""
    nodes = getattr(client, "nodes_manager", client).startup_nodes
    node = next(iter(nodes.values()))
    return node.host, node.port, 0


def about(host: Any, port: Any, database: Any = None) -> dict[str, Any]:
    """Attributes of a server, and of a database of it."""
    found: dict[str, Any] = {signals.DB_SYSTEM: commands.SYSTEM}
    if database is not None:
        found[signals.DB_NAMESPACE] = str(database)
    if host:
        found[signals.SERVER_ADDRESS] = str(host)
    if port:
        found[signals.SERVER_PORT] = int(port)
    return found
