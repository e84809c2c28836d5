"""Who is at the other end of a connection, and whether that is one of ours.

Pure but for what a server says of its sockets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from typing import Any

from otelier.sources import Network

_MOST_KEPT = 4096


def peer(scope: Mapping[str, Any], receive: Any) -> str:
    """The address at the other end of the socket; under another server than uvicorn, what it says.

    The scope's client is whoever a proxy says it is, and a client may have had a say in that.
    """
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    told = transport.get_extra_info("peername") if transport is not None else scope.get("client")
    return str(told[0]) if told else ""


class Members:
    """The addresses of these networks; keeps what it has found out of each address."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks
        self._kept: dict[str, bool] = {}

    def include(self, address: str) -> bool:
        found = self._kept.get(address)
        if found is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            found = self._kept[address] = self._looks(address)
        return found

    def _looks(self, address: str) -> bool:
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)
