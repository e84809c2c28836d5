"""How parcels are held while their receiver is away: on disk, or else squeezed in memory.

Only the bytes of OTLP; objects for an exporter of the SDK stay as they are. A tenth of the size
is a tenfold outage in the same room, for a hundredth of a second of work per megabyte. A parcel is
unfolded for each attempt, as a receiver that takes no compression has to be asked as it was before.
"""

from __future__ import annotations

import zlib

from otelier.export.backlog import Parcel
from otelier.export.spool import Entry, Spool

_WORTH = 1_024  # bytes; less is not worth the work


class Holding:
    """spool: None without one."""

    def __init__(self, spool: Spool | None = None) -> None:
        self._spool = spool

    def put_away(self, signal: str, parcel: Parcel) -> None:
        """Take as little memory as can be."""
        if parcel.entry is not None or not isinstance(parcel.content, bytes):
            return
        if self._spool is not None and self._spool.is_usable:
            entry = self._spool.keep(
                Entry(signal, parcel.count, parcel.batch_id, parcel.encoding, parcel.rank),
                self.content(parcel),
            )
            if entry is not None:
                parcel.entry, parcel.content = entry, b""
                parcel.size, parcel.is_squeezed = 0, False
                return
        if not (parcel.is_squeezed or parcel.encoding) and len(parcel.content) > _WORTH:
            parcel.content = zlib.compress(parcel.content, 1)
            parcel.size, parcel.is_squeezed = len(parcel.content), True

    def content(self, parcel: Parcel) -> bytes:
        """As it is sent. Raises `Unreadable` where the spool has lost it."""
        if parcel.entry is not None and self._spool is not None:
            return self._spool.read(parcel.entry)
        content: bytes = parcel.content
        return zlib.decompress(content) if parcel.is_squeezed else content

    def discard(self, parcel: Parcel) -> None:
        """Its fate is known: nothing of it is kept on disk."""
        if parcel.entry is not None and self._spool is not None:
            self._spool.remove(parcel.entry)
            parcel.entry = None
