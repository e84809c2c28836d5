"""`otelier collector run|args|validate`: OTELIER_BACKEND becomes a running collector.

It decides, checks and then becomes the collector (`exec`): signals and exit codes are the
collector's own. It never prints a secret.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable
from itertools import chain

from otelier.cli.collector import binary, machine
from otelier.cli.collector.choice import Choice, Problem, choose


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "collector",
        help="run the collector for the backends of OTELIER_BACKEND",
        description="Run the OpenTelemetry Collector for the backends of OTELIER_BACKEND.",
    )
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    for name, action, meaning in (
        ("run", run, "check everything, then become the collector"),
        ("args", args, "print the --config arguments, one on each line"),
        ("validate", validate, "check everything and connect, but do not start"),
    ):
        sub = actions.add_parser(name, help=meaning, description=meaning)
        sub.add_argument(
            "extra",
            nargs="*",
            metavar="-- ARGUMENT",
            help="more arguments for the collector, such as -- --config=my.yaml",
        )
        sub.set_defaults(run=action)


def args(arguments: argparse.Namespace) -> int:
    choice, problems = choose(os.environ, machine.default_storage())
    if _refused(problems):
        return 1
    print("\n".join([*choice.arguments(binary.config_folder()), *arguments.extra]))
    return 0


def validate(arguments: argparse.Namespace) -> int:
    choice, problems = choose(os.environ, machine.default_storage())
    command = None if _refused(problems) else _command(choice, arguments, "validate")
    if not command:
        return 1
    if _refused(chain(machine.unusable_certificate(choice), machine.unreachable(choice))):
        return 1
    code = subprocess.run(command, env=choice.child_environ(), check=False).returncode
    if code == 0:
        print(f"sound: {_described(choice)}")
    return code


def run(arguments: argparse.Namespace) -> int:
    choice, problems = choose(os.environ, machine.default_storage())
    command = None if _refused(problems) else _command(choice, arguments)
    if not command:
        return 1
    checks = (machine.unusable_certificate, machine.unusable_storage, machine.occupied_ports)
    if _refused(chain.from_iterable(check(choice) for check in checks)):
        return 1
    # Not a reason to stay away: what arrives now is kept until the backend is back.
    for problem in machine.unreachable(choice):
        _say(f"warning: {problem}")
    _say(f"otelier collector: {_described(choice)}, {command[0]}")
    try:
        os.execve(command[0], command, choice.child_environ())
    except OSError as error:
        _say(f"error: {command[0]} cannot be run: {(error.strerror or str(error)).lower()}")
        return 1


def _command(choice: Choice, arguments: argparse.Namespace, *action: str) -> list[str] | None:
    try:
        program = str(binary.find(os.environ))
    except binary.NotFound as error:
        _say(str(error))
        return None
    config = choice.arguments(binary.config_folder())
    return [program, *action, *config, *arguments.extra]


def _described(choice: Choice) -> str:
    kept = f"queues in {choice.storage}" if choice.storage else "nothing kept on disk"
    features = f", features {', '.join(choice.features)}" if choice.features else ""
    return f"backends {', '.join(choice.backends)}{features}, {kept}"


def _refused(problems: Iterable[Problem]) -> bool:
    found = list(problems)
    for problem in found:
        _say(f"error: {problem}")
    return bool(found)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
