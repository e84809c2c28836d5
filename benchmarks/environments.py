"""A virtual environment for each contender, made once, from the pins in `requirements`.

Each list is whole and begins with that of the app, so that all serve the same app on the same
releases. They live in the user's cache, named after what is in them: a changed pin makes a new one.
Otelier itself comes from a checkout, which its environment points at: what is edited there runs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.contenders import OTELIER, Contender

REQUIREMENTS = Path(__file__).parent / "requirements"
APP = REQUIREMENTS / "app.txt"
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")
PIP_SECONDS = 900.0

_VERSION = "from importlib.metadata import version; import sys; print(version(sys.argv[1]))"


class Unavailable(Exception):
    """Why a contender cannot be installed here, in one line."""


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "otelier" / "benchmarks"


def prepare(contender: Contender, source: Path) -> Path:
    """The `bin` of its environment. source: the checkout of Otelier. Raises Unavailable."""
    requirements = REQUIREMENTS / f"{contender.name}.txt"
    key = "\n".join((sys.version, APP.read_text(), requirements.read_text()))
    if contender.name == OTELIER:
        # What an editable install copies: a change of it makes a new environment.
        copied = (source / "pyproject.toml", source / "src" / "otelier" / "early.pth")
        key += "\n".join(("", str(source), *(file.read_text() for file in copied)))
    folder = cache() / f"{contender.name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    stamp = folder / "installed"
    if not stamp.exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
        _pip(folder, "install", "--requirement", requirements)
        if contender.name == OTELIER:
            _pip(folder, "install", "--no-deps", "--editable", source)
        _pip(folder, "check")
        stamp.write_text(key)
    if contender.name == OTELIER:
        _compile(folder, source / "src")
    return folder / "bin"


def _compile(folder: Path, sources: Path) -> None:
    """Give a checkout the byte-code that an installed package has: where PYTHONDONTWRITEBYTECODE is
    set it would be compiled again at each start, in time and memory that no user pays."""
    command = [str(folder / "bin" / "python"), "-m", "compileall", "-q", str(sources)]
    subprocess.run(command, check=True, capture_output=True)


def version(contender: Contender, programs: Path) -> str:
    """Of the package that it is named after."""
    command = [str(programs / "python"), "-c", _VERSION, contender.package]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _pip(folder: Path, *arguments: str | Path) -> None:
    command = [folder / "bin" / "python", *PIP, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"pip took more than {PIP_SECONDS:.0f} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["pip failed"]
        errors = [line for line in said if line.startswith("ERROR")] or said
        raise Unavailable(errors[0])
