"""Connections of our own to the Redis servers of an app: of the class that its pools have, with
their arguments, so that TLS, user and Sentinel are the same. The app's pools know nothing of them.

A node is what has a connection's class and arguments: a pool, or a node of a cluster. Nothing here
is kept, and nothing connects; whoever makes a connection closes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# What a pool gives its connections to be told of maintenance by: it would know ours.
_OF_THE_POOL = ("maint_notifications", "orig_")


def connection(node: Any, seconds: float) -> Any:
    """One that is not connected yet, tries once, and waits so many seconds at most each time."""
    return node.connection_class(**_limited(node.connection_kwargs, seconds))


def nodes(cluster: Any, most: int) -> list[Any]:
    """The first of those that the client knows."""
    manager = cluster.nodes_manager
    known = list((manager.nodes_cache or manager.startup_nodes).values())[:most]
    return [_pool_of(node) for node in known]


def _limited(given: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    limited = {k: v for k, v in given.items() if not k.startswith(_OF_THE_POOL)}
    limited.update(retry=None, retry_on_timeout=False, retry_on_error=[], socket_timeout=seconds)
    if "path" not in given:
        limited["socket_connect_timeout"] = seconds
    return limited


def _pool_of(node: Any) -> Any:
    """A node of an async cluster is something like a pool itself."""
    found = getattr(node, "redis_connection", None)
    return node if found is None else found.connection_pool
