"""Where the collector's program and its configuration are.

`collector/build` loads this file by its path, before anything is installed: standard library
only, and nothing of otelier.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

PROGRAM = "otelcol-otelier"
VARIABLE = "OTELIER_COLLECTOR_BIN"
# What the program is made of; the release is part of the manifest.
SOURCES = ("manifest.yaml", "go.mod", "go.sum", "*.go")

PACKAGE = Path(__file__).resolve().parents[2]
CHECKOUT = PACKAGE.parents[1] / "collector"


class NotFound(Exception):
    """No program; the text says how to get one."""


def config_folder() -> Path:
    """`collector/config`: in the checkout, or as it was put into the wheel."""
    shipped = PACKAGE / "_collector" / "config"
    return shipped if shipped.is_dir() else CHECKOUT / "config"


def cache_folder(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "otelier" / "collector"


def sources_key(builder: Path) -> str:
    """A hash of everything the program is made of, except the Go toolchain."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in SOURCES for path in builder.glob(pattern)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def find(environ: Mapping[str, str]) -> Path:
    """By variable, else our own build, else the contrib or core program on the PATH."""
    if named := environ.get(VARIABLE, "").strip():
        if os.access(named, os.X_OK) and Path(named).is_file():
            return Path(named)
        raise NotFound(f"{VARIABLE}={named!r} refused: there is no program at that place")
    if built := _newest_build(environ):
        return built
    for name in ("otelcol-contrib", "otelcol"):
        if path := shutil.which(name, path=environ.get("PATH")):
            return Path(path)
    raise NotFound(
        f"no collector found: {VARIABLE} is not set, and there is no build and no otelcol-contrib "
        "on the PATH\n"
        "hint: in a checkout of otelier, `make collector` builds one (it needs Go)\n"
        "hint: or take the official otelcol-contrib from the releases of the OpenTelemetry "
        f"Collector and set {VARIABLE} to it\n"
        "hint: or run a file of collector/rendered with the image "
        "otel/opentelemetry-collector-contrib"
    )


def _newest_build(environ: Mapping[str, str]) -> Path | None:
    """In a checkout only a build of these very sources counts."""
    builder = CHECKOUT / "builder"
    key = f"{sources_key(builder)}-*" if builder.is_dir() else "*"
    found = [path for path in cache_folder(environ).glob(f"{key}/{PROGRAM}") if path.is_file()]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)
