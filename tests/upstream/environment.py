"""One virtual environment, and contrib's source distributions unpacked: made once, in the cache.

Everything comes from the package index by pip, at the hashes of `requirements.txt`; nothing of
contrib's is copied into this repository. Otelier is not installed: it is found by its path, so that
what is tested is the checkout.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "otelier" / "upstream"


def prepare() -> Path:
    """The environment's folder; it also holds each suite, as `suite/NAME`."""
    lock = REQUIREMENTS.read_text()
    key = hashlib.sha256(f"{platform.python_version()}\n{lock}".encode()).hexdigest()[:12]
    folder = cache() / f"{platform.python_version()}-{key}"
    stamp = folder / "installed"
    if not stamp.exists():
        print(f"making {folder}, once", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        _pip(folder, "install", "--require-hashes", "--no-deps", "--requirement", REQUIREMENTS)
        stamp.touch()
    return folder


def suite(folder: Path, name: str) -> Path:
    """The unpacked source distribution of `opentelemetry-instrumentation-NAME`."""
    package = f"opentelemetry-instrumentation-{name}"
    unpacked = folder / "suite" / name
    if not (unpacked / "tests").exists():
        sources = folder / "sources"
        sources.mkdir(exist_ok=True)
        wanted = sources / f"{name}.txt"
        wanted.write_text(locked(package))
        _pip(
            *(folder, "download", "--require-hashes", "--no-deps", "--no-build-isolation"),
            *("--no-binary", ":all:", "--dest", sources, "--requirement", wanted),
        )
        (archive,) = sources.glob(f"{package.replace('-', '_')}-*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(sources, filter="data")
        unpacked.parent.mkdir(exist_ok=True)
        shutil.rmtree(unpacked, ignore_errors=True)
        (sources / archive.name.removesuffix(".tar.gz")).rename(unpacked)
    return unpacked


def locked(package: str) -> str:
    """What `requirements.txt` says of a package: its version and hashes."""
    found = re.search(rf"^{package}==(?:.*\\\n)+.*\n", REQUIREMENTS.read_text(), re.MULTILINE)
    assert found is not None, package
    return found[0]


def _pip(folder: Path, *arguments: str | Path) -> None:
    subprocess.run([folder / "bin" / "python", *PIP, *arguments], check=True)
