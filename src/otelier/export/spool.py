"""Batches on disk, for what a receiver does not take now: they outlive the process.

One file a batch, in one folder that several processes may share. A file is written under another
name and renamed, so that what has its own name is whole, or was damaged later: the checksum in its
first line tells. Its name tells which process has it: `OWNER-NUMBER-SIGNAL-COUNT.batch`. An owner
holds a lock (flock) on `OWNER.lock` for its life, which the system releases however it ends: who
can take the lock may take over the files. Nothing is written before there is something to keep.

At least once: a file goes when its batch is delivered or refused, so a process that is killed
between the answer and that sends it again, under the same batch id. Nothing is forced to the
platter: files survive the process and not a loss of power.

Files are 0600 in a folder 0700, no symbolic link is followed. Everything runs in the thread that
delivers, under its lock. A disk that is full or read-only is asked again half a minute later.
"""

from __future__ import annotations

import json
import os
import stat
import time
import zlib
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, BinaryIO

from otelier import _guard
from otelier.export.rank import Rank
from otelier.fixed import fixed, replace

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_FORMAT = 1
_SUFFIX, _UNFINISHED, _LOCK = ".batch", ".part", ".lock"
_REST = 30.0  # seconds until a disk that failed is asked again
_LONGEST_HEADER = 1_000
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


class Unreadable(Exception):
    """A file that is not what was written."""


@fixed
class Entry:
    """One batch on disk. encoding: HTTP's name of how its content is compressed."""

    signal: str
    count: int
    batch_id: str
    encoding: str = ""
    rank: Rank = Rank.USUAL
    path: Path = Path()


@dataclass
class _Ended:
    """A process that has ended: our hold on its lock, and how many of its files are left."""

    lock: int
    files: int


class Spool:
    """Batches in a folder, at most `limit` bytes of them, whoever wrote them."""

    def __init__(self, folder: Path, limit: int) -> None:
        """Raises OSError where the folder cannot be used, with a reason to be shown."""
        if fcntl is None:
            raise OSError("this system has no file locks")
        self.folder = folder
        self._limit = limit
        self._adopted: dict[str, _Ended] = {}
        self._own_lock: int | None = None
        self._failed_at = self._looked_at = -_REST
        self._used = 0
        self.begin()
        _prepare(folder)

    def begin(self) -> None:
        """Be a new owner, with nothing of its own yet: a start, or a forked child."""
        locks = [ended.lock for ended in self._adopted.values()]
        for lock in [*locks, *([] if self._own_lock is None else [self._own_lock])]:
            os.close(lock)  # the parent has it too, and keeps it
        self._adopted.clear()
        self._own_lock = None
        self._owner = f"{os.getpid()}_{token_hex(4)}"
        self._written = 0

    @property
    def is_usable(self) -> bool:
        return time.monotonic() - self._failed_at >= _REST

    def keep(self, entry: Entry, content: bytes) -> Entry | None:
        """Write a batch; None if there is no room for it, or no disk."""
        try:
            whole = _header(entry, content) + content
            if self.used() + len(whole) > self._limit:
                self._fail(f"OTELIER_SPOOL_BYTES={self._limit} is reached")
                return None
            self._own()
            self._written += 1
            name = f"{self._owner}-{self._written:08d}-{entry.signal}-{entry.count}"
            path = self.folder / (name + _SUFFIX)
            _write(path, whole)
        except OSError as error:
            self._fail(error.strerror or type(error).__name__)
            return None
        self._used += len(whole)
        return replace(entry, path=path)

    def read(self, entry: Entry) -> bytes:
        """The content; raises `Unreadable`."""
        try:
            with _opened(entry.path) as file:
                about, content = _about(file), file.read()
        except OSError as error:
            raise Unreadable(type(error).__name__) from error
        if zlib.crc32(content) != about["crc32"]:
            raise Unreadable("its checksum is another")
        return content

    def remove(self, entry: Entry) -> None:
        with suppress(OSError):
            entry.path.unlink()
        self._release(entry.path.name.partition("-")[0], 1)

    def adopt(self, signals: Collection[str]) -> dict[str, tuple[list[Entry], int]]:
        """What processes that have ended left behind, for each of these signals.

        With each goes the number of records that cannot be read; their files are removed. Files of
        other signals stay, for a process that can send them.
        """
        found: dict[str, tuple[list[Entry], int]] = {}
        for owner, names in self._owners().items():
            if owner == self._owner or owner in self._adopted:
                continue
            wanted = [name for name in names if _told(name)[0] in signals]
            if (wanted or not names) and self._take(owner, len(names)):
                for name in wanted:
                    self._sort_in(owner, name, found)
                self._release(owner, 0)
        return found

    def _sort_in(self, owner: str, name: str, found: dict[str, tuple[list[Entry], int]]) -> None:
        signal, count = _told(name)
        entries, unreadable = found.setdefault(signal, ([], 0))
        try:
            entries.append(_entry(self.folder / name))
        except (Unreadable, OSError):
            found[signal] = entries, unreadable + count
            with suppress(OSError):
                (self.folder / name).unlink()
            self._release(owner, 1)

    def used(self) -> int:
        """Bytes of all files in the folder; looked at once a second, as there may be thousands."""
        now = time.monotonic()
        if now - self._looked_at > 1.0:
            self._looked_at = now
            self._used = sum(size for _, size in self._files())
        return self._used

    def _files(self) -> Iterator[tuple[str, int]]:
        with os.scandir(self.folder) as files:
            for file in files:
                with suppress(OSError):  # another process has just removed it
                    if file.is_file(follow_symlinks=False):
                        yield file.name, file.stat(follow_symlinks=False).st_size

    def _owners(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        with suppress(OSError):
            for name, _ in sorted(self._files()):
                owner = found.setdefault(name.partition("-")[0].removesuffix(_LOCK), [])
                if not name.endswith(_LOCK):
                    owner.append(name)
        return found

    def _own(self) -> None:
        if self._own_lock is None:
            self._own_lock = _locked(self.folder / (self._owner + _LOCK))

    def _take(self, owner: str, files: int) -> bool:
        try:
            lock = _locked(self.folder / (owner + _LOCK))
        except OSError:
            return False  # it lives, or another process was first
        self._adopted[owner] = _Ended(lock, files)
        return True

    def _release(self, owner: str, files: int) -> None:
        """So many files of an ended process are gone; its lock goes with the last."""
        ended = self._adopted.get(owner)
        if ended is None:
            return
        ended.files -= files
        if ended.files <= 0:
            with suppress(OSError):
                (self.folder / (owner + _LOCK)).unlink()
            os.close(self._adopted.pop(owner).lock)

    def _fail(self, reason: str) -> None:
        self._failed_at = time.monotonic()
        text = f"cannot write to OTELIER_SPOOL_DIR='{self.folder}': {reason}; kept in memory"
        _guard.say(text, cause="the spool")


def _prepare(folder: Path) -> None:
    """Make the folder, or see that nobody else can read it or put a link in its place."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode):
        raise OSError("a folder is needed, and no symbolic link")
    if about.st_uid != os.geteuid():
        raise OSError("it belongs to another user")
    if about.st_mode & 0o077:
        folder.chmod(0o700)
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise OSError("it may not be written to")


def _locked(path: Path) -> int:
    """A descriptor with the lock on it; raises OSError where another process has it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
    lock = os.open(path, flags, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


def _write(path: Path, content: bytes) -> None:
    unfinished = path.with_suffix(_UNFINISHED)
    try:
        with open(os.open(unfinished, _NEW_FILE, 0o600), "wb") as file:
            file.write(content)
        unfinished.rename(path)
    except OSError:
        with suppress(OSError):
            unfinished.unlink()
        raise


def _header(entry: Entry, content: bytes) -> bytes:
    about = {
        "otelier_spool": _FORMAT,
        "signal": entry.signal,
        "count": entry.count,
        "batch_id": entry.batch_id,
        "encoding": entry.encoding,
        "rank": int(entry.rank),
        "bytes": len(content),
        "crc32": zlib.crc32(content),
    }
    return json.dumps(about).encode() + b"\n"


def _opened(path: Path) -> BinaryIO:
    return open(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb")


def _about(file: BinaryIO) -> dict[str, Any]:
    """The first line, where the file is as long as it says; raises `Unreadable`."""
    try:
        about: dict[str, Any] = json.loads(file.readline(_LONGEST_HEADER))
        size = os.fstat(file.fileno()).st_size - file.tell()
        if about["otelier_spool"] != _FORMAT or about["bytes"] != size:
            raise Unreadable("it is not whole")
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable(type(error).__name__) from error
    return about


def _entry(path: Path) -> Entry:
    if path.suffix != _SUFFIX:
        raise Unreadable("its writer was killed meanwhile")
    with _opened(path) as file:
        about = _about(file)
    try:
        texts = [str(about[name]) for name in ("signal", "batch_id", "encoding")]
        signal, batch_id, encoding = texts
        return Entry(signal, int(about["count"]), batch_id, encoding, Rank(about["rank"]), path)
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable(type(error).__name__) from error


def _told(name: str) -> tuple[str, int]:
    """Signal and number of records, as a file's name tells."""
    parts = name.partition(".")[0].split("-")
    if len(parts) != 4 or not parts[3].isdecimal():
        return "", 0
    return parts[2], int(parts[3])
