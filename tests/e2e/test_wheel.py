"""What `pip install otelier` brings, on the built wheel in an empty environment.

Real parts: pip, the package index, a virtual environment without FastAPI, SQLAlchemy and Redis.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = {"pip", "setuptools"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that holds the wheel and what pip chose for it; its bin folder."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=True)
    pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--no-compile", wheel]
    done = subprocess.run(pip, capture_output=True, text=True)
    if done.returncode and not os.environ.get("CI"):
        pytest.skip(f"the package index cannot be reached: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr
    return folder / "bin"


def run(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if "OTEL" not in name}
    environ["PATH"] = f"{Path(command[0]).parent}{os.pathsep}{environ['PATH']}"
    environ.pop("PYTHONPATH", None)
    return subprocess.run(
        command, env=environ | variables, capture_output=True, text=True, timeout=60
    )


def test_install_is_small(environment: Path) -> None:
    """At most 25 distributions and 12 MB, and no grpcio: the README's figures."""
    listed = run(environment / "python", "-m", "pip", "list", "--format=freeze").stdout.split()
    names = {line.partition("==")[0] for line in listed} - TOOLS
    site = next((environment.parent / "lib").glob("python*/site-packages"))
    skipped = ("pip", "setuptools", "_distutils_hack", "pkg_resources", "distutils-precedence")
    files = [
        file
        for file in site.rglob("*")
        if file.is_file()
        and "__pycache__" not in file.parts
        and not file.relative_to(site).parts[0].startswith(skipped)
    ]
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    print(f"{len(names)} distributions, {megabytes:.1f} MB")
    assert "grpcio" not in names
    assert len(names) <= 25, sorted(names)
    assert megabytes <= 12
    readme = (ROOT / "README.md").read_text()
    assert f"({len(names)} in an empty environment" in readme
    assert f"{round(megabytes)} MB" in readme


def test_command_line_needs_nothing_else(environment: Path) -> None:
    """The wheel holds the collector's configuration, and every command explains itself."""
    assert "otelier 0." in run(environment / "otelier", "--version").stdout
    assert run(environment / "otelier", "settings").returncode == 0
    done = run(environment / "otelier", "collector", "args")
    assert "base.yaml" in done.stdout, done.stderr


def test_any_program_starts(environment: Path) -> None:
    """A program without a web framework starts, ends as it would, and one line is said."""
    done = run(environment / "opentelemetry-instrument", "python", "-c", "print('hello')")
    assert (done.returncode, done.stdout) == (0, "hello\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith("otelier: ")
    assert line.endswith("observes logging")


def test_unknown_propagator_does_not_stop_the_start(environment: Path) -> None:
    """OTEL_PROPAGATORS is read before any distro; the wheel corrects a name nobody provides."""
    launcher = environment / "opentelemetry-instrument"
    done = run(launcher, "python", "-c", "print('hello')", OTEL_PROPAGATORS="tracecontxt")
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr
    _, line = done.stderr.splitlines()
    assert "OTEL_PROPAGATORS='tracecontxt' ignored" in line
