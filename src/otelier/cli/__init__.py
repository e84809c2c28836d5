"""The command line: `otelier COMMAND`.

The only room that prints. Each command is a module with a `register(subparsers)` that adds its
parser and sets `run`, a function from the parsed arguments to an exit code.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from otelier.version import __version__


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (0 done, 1 a stated problem, 2 wrong usage)."""
    arguments = _parser().parse_args(argv)
    code: int = arguments.run(arguments)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="otelier", description=__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=f"otelier {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    from otelier.cli import collector, console, settings, signals

    for command in (collector, console, settings, signals):
        command.register(commands)
    return parser
