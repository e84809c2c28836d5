"""Rows of the table of signals: what a Redis server says of itself.

The code makes its instruments of these rows; `FIELDS` has the field of `INFO` that each is read of.
"""

from __future__ import annotations

from collections.abc import Mapping

from otelier.signal import Signal, count, level

MEMORY_USED = "otelier.redis.memory.used"
MEMORY_RESIDENT = "otelier.redis.memory.resident"
MEMORY_MAX = "otelier.redis.memory.max"
CLIENTS = "otelier.redis.client.count"
BLOCKED_CLIENTS = "otelier.redis.client.blocked"
REJECTED = "otelier.redis.client.rejected"
COMMANDS = "otelier.redis.command.count"
KEYS = "otelier.redis.key.count"
EVICTED = "otelier.redis.key.evicted"
EXPIRED = "otelier.redis.key.expired"
FOUND = "otelier.redis.key.hits"
MISSED = "otelier.redis.key.misses"

FIELDS: Mapping[str, str] = {
    MEMORY_USED: "used_memory",
    MEMORY_RESIDENT: "used_memory_rss",
    MEMORY_MAX: "maxmemory",
    CLIENTS: "connected_clients",
    BLOCKED_CLIENTS: "blocked_clients",
    REJECTED: "rejected_connections",
    COMMANDS: "total_commands_processed",
    EVICTED: "evicted_keys",
    EXPIRED: "expired_keys",
    FOUND: "keyspace_hits",
    MISSED: "keyspace_misses",
}
"""Those with one number. Keys have a line for each database."""

_ON = "server"

ROWS: tuple[Signal, ...] = (
    level(MEMORY_USED, "memory that Redis has given to data and itself", "By", _ON),
    level(MEMORY_RESIDENT, "memory that the system has given to Redis", "By", _ON),
    level(MEMORY_MAX, "`maxmemory`, where one is set", "By", _ON),
    level(CLIENTS, "connections of clients, all of them", "{connection}", _ON),
    level(BLOCKED_CLIENTS, "those that wait in a blocking command", "{connection}", _ON),
    count(REJECTED, "connections refused, as there were `maxclients`", "{connection}", _ON),
    count(COMMANDS, "commands, of all clients", "{command}", _ON),
    level(KEYS, "keys", "{key}", "server, namespace"),
    count(EVICTED, "keys that had to go, as memory was full", "{key}", _ON),
    count(EXPIRED, "keys whose time was over", "{key}", _ON),
    count(FOUND, "keys found, by all clients", "{key}", _ON),
    count(MISSED, "keys not found, by all clients", "{key}", _ON),
)
