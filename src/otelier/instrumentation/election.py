"""Which of the processes on a host tells what is true for all of them.

Whoever holds a lock (flock) on a file in the folder for temporary files, one for what is told and
each user of the system. It is asked for each time that there is something to tell, kept for the
life of the process, and released by the system however that ends: another one has it at its next
turn. A forked child lets go of what it has inherited, and its parent keeps it.

Runs in the thread that delivers. Where no file can be locked, nobody tells.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from otelier.sdk.providers import after_fork

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


class Election:
    """folder: where the lock is; None for that of temporary files. what: is told."""

    def __init__(self, folder: Path | None = None, what: str = "host") -> None:
        self._folder = folder
        self._what = what
        self._lock: int | None = None
        after_fork(self.forget)

    def is_won(self) -> bool:
        """Whether this process is the one: 15 microseconds where it is another."""
        if self._lock is None and fcntl is not None:
            self._lock = self._locked()
        return self._lock is not None

    def forget(self) -> None:
        """In a forked child: closing its copy of the descriptor leaves the lock to the parent."""
        lock, self._lock = self._lock, None
        if lock is not None:
            with suppress(OSError):
                os.close(lock)

    def _locked(self) -> int | None:
        try:
            folder = self._folder or Path(tempfile.gettempdir())
            lock = os.open(folder / f"otelier-{self._what}-{os.geteuid()}.lock", _FLAGS, 0o600)
        except OSError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return None
        return lock
