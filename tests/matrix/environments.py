"""A virtual environment for each cell, made once: pip, a real index, and Otelier's own wheel.

They live in the user's cache, named after what is in them, so that a changed pin makes a new one.
Otelier itself is installed again in every run. pip's own cache holds the wheels of all of them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.matrix.cells import ROOT, Cell

PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")


class Unavailable(Exception):
    """Why a cell cannot be made here, in one line."""


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "otelier" / "matrix"


def interpreter(version: str) -> Path:
    """A Python of that version: the running one, on the PATH, or one of pyenv's."""
    candidates = [sys.executable, shutil.which(f"python{version}")]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates += sorted(map(str, pyenv.glob(f"{version}.*/bin/python{version}")), reverse=True)
    for candidate in candidates:
        # pyenv's shims are there even where they start nothing.
        if candidate and _version(candidate).startswith(f"{version}."):
            return Path(candidate)
    raise Unavailable(f"there is no CPython {version} on this machine")


def _version(program: str) -> str:
    code = "import platform; print(platform.python_version())"
    done = subprocess.run([program, "-c", code], capture_output=True, text=True, timeout=30)
    return done.stdout.strip()


def build_wheel(folder: Path) -> Path:
    """Otelier's wheel, from this checkout."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def prepare(cell: Cell, wheel: Path, locked: Mapping[str, str]) -> Path:
    """The cell's environment with `wheel` in it; its `bin`. Raises Unavailable."""
    python = interpreter(cell.python)
    pins = cell.requirements(locked)
    named = {pin.partition("==")[0] for pin in pins}
    # The rest as in the lock, so that a release of today changes nothing.
    constraints = [f"{name}=={version}" for name, version in locked.items() if name not in named]
    key = "\n".join([_version(str(python)), *pins, *sorted(constraints)])
    name = "-".join((cell.fastapi, cell.sqlalchemy, cell.redis, cell.python))
    folder = cache() / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    stamp = folder / "installed"
    if not stamp.exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([python, "-m", "venv", folder], check=True, capture_output=True)
        (folder / "constraints.txt").write_text("\n".join([*pins, *constraints]))
        _pip(folder, "install", "--constraint", folder / "constraints.txt", *pins, wheel)
        stamp.write_text(key)
    _pip(folder, "install", "--no-deps", "--force-reinstall", wheel)
    _pip(folder, "check")
    return folder / "bin"


def _pip(folder: Path, *arguments: str | Path) -> None:
    command = [folder / "bin" / "python", *PIP, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["pip failed"]
        errors = [line for line in said if line.startswith("ERROR")] or said
        raise Unavailable(errors[0])
