"""`python -m tests.upstream [suite …]`: contrib's own tests, with our stand-ins in its place.

What may fail, and why, is in `expected.toml`, and for our code alone in `ours.toml`, test by test.
The run fails if a test fails that is not there, or if one that is there passes; and, where all
suites ran, if docs/upstream.md is not what it gives. See that page for what is run and how.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.upstream import environment, page, table
from tests.upstream.names import translated
from tests.upstream.results import Ran, Result, either

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "upstream.md"
SUITES = ("asgi", "fastapi", "sqlalchemy", "redis", "logging")
LEAST = 0.9


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    folder = environment.prepare()
    names = options.suites or SUITES
    alone = [Ran(name, run(folder, name, "none")) for name in names]
    both = list(_both_lanes(folder, names))
    ours = list(_ours_alone(folder, names))
    wrong = [f"{run.suite}: {sentence}" for run in (*both, *ours) for sentence in run.wrong()]
    if not options.suites:
        wrong += _compare(page.render(alone, both, ours), options.write)
    for sentence in wrong:
        print(f"  {sentence}")
    enough = sum(len(run.passed) for run in both) >= LEAST * sum(run.count for run in both)
    return 1 if wrong or not enough else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.upstream", description=__doc__)
    parser.add_argument("suites", nargs="*", choices=[*SUITES, []], metavar="suite")
    parser.add_argument("--write", action="store_true", help="write docs/upstream.md")
    return parser.parse_args(arguments)


def _both_lanes(folder: Path, names: Sequence[str]) -> Iterable[Ran]:
    expected = table.read("open")
    print("both lanes, as an app has them:")
    for name in names:
        ran = Ran(name, run(folder, name, "open"), expected.get(name, ()))
        print(
            f"  {name:11} {page.share([ran])}: {ran.passed_on('ours')} on our code, "
            f"{ran.passed_on('contrib')} on contrib's, {ran.passed_on('contrib+ours')} on both, "
            f"{ran.passed_on('-')} on neither",
            flush=True,
        )
        yield ran


def _ours_alone(folder: Path, names: Sequence[str]) -> Iterable[Ran]:
    expected = table.read("ours")
    print("our code alone:")
    for name in names:
        results = either(run(folder, name, "ours"), run(folder, name, "ours", stable=True))
        ran = Ran(name, results, expected.get(name, ()))
        print(f"  {name:11} {page.share([ran])}: {ran.passed_on('-')} on neither", flush=True)
        yield ran


def _compare(text: str, write: bool) -> Iterable[str]:
    if write:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        yield "docs/upstream.md says something else: make test-upstream UPSTREAM=--write"


def run(folder: Path, name: str, lane: str, stable: bool = False) -> Sequence[Result]:
    """Run a suite; never raises for a test that fails."""
    with TemporaryDirectory(prefix="otelier-upstream-") as scratch:
        report = Path(scratch) / "report"
        environ = {
            "PATH": f"{folder / 'bin'}:{os.environ.get('PATH', '')}",
            "PYTHONPATH": f"{ROOT / 'src'}:{HERE}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OTELIER_REPORT": str(report),
            "OTELIER_LANE": lane,
            "OTELIER_NAMES": "stable" if stable else "",
        }
        suite = environment.suite(folder, name)
        if stable:
            suite = in_stable_names(suite, Path(scratch))
        pytest = ("pytest", "tests", "-p", "plugin", "-p", "no:cacheprovider", "--timeout=60")
        done = subprocess.run(
            [folder / "bin" / "python", "-m", *pytest, "-q"],
            cwd=suite,
            env=environ,
            capture_output=True,
            text=True,
        )
        if not report.exists():
            sys.exit(f"{name}: pytest gave no report\n{done.stdout}\n{done.stderr}")
        return [Result(*line.split("\t")) for line in report.read_text().splitlines()]


def in_stable_names(suite: Path, scratch: Path) -> Path:
    """A copy of a suite whose literals are the stable names."""
    copy = Path(shutil.copytree(suite / "tests", scratch / "suite" / "tests"))
    for file in copy.glob("*.py"):
        file.write_text(translated(file.read_text()))
    return copy.parent


if __name__ == "__main__":
    sys.exit(main())
