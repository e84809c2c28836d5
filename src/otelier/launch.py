"""`opentelemetry-instrument COMMAND …` without upstream's launcher: 0.15 s less of every start.

Upstream's imports its loader and asks every package which command-line flags there are, to set
`PYTHONPATH` and to become the command. Where there are no flags and Otelier is the distro, that is
done here, before upstream's is imported. Everything else is left to it, and so is whatever cannot
be done: then nothing has been changed, and its answer is the user's.
"""

from __future__ import annotations

import os

from otelier.chosen import DISTRO, NAME, new_start
from otelier.site import instead_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

PROGRAM = "opentelemetry-instrument"


def is_asked(argv: Sequence[str]) -> bool:
    """Whether this interpreter runs the launcher."""
    return "".join(argv[:1]).endswith(PROGRAM)


def become_command(argv: Sequence[str], environ: MutableMapping[str, str]) -> None:
    """Return only if it is upstream's affair. argv: the launcher's; environ: the process's own."""
    try:
        if (program := command(argv, environ)) is None:
            return
        changed = observed(environ, os.getcwd())
        os.execve(program, [program, *argv[2:]], changed)  # noqa: S606 - what the user typed
    except (OSError, ValueError):  # no folder, not to be run, a NUL: upstream says it
        return


def command(argv: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """Path of the program that is to be started; None if upstream's launcher has to look at it."""
    is_plain = len(argv) > 1 and not argv[1].startswith("-") and "--" not in argv
    if not is_plain or (environ.get(DISTRO) or NAME) != NAME:
        return None
    folders = [""] if os.path.dirname(argv[1]) else os.get_exec_path(environ)
    paths = (os.path.join(folder, argv[1]) for folder in folders)
    return next((p for p in paths if os.path.isfile(p) and os.access(p, os.X_OK)), None)


def observed(environ: Mapping[str, str], folder: str) -> dict[str, str]:
    """The environment of a command that is observed, started in that folder."""
    changed = dict(environ)
    new_start(changed)
    before = environ.get("PYTHONPATH", "")
    here = [] if folder in before.split(os.pathsep) else [folder]
    changed["PYTHONPATH"] = instead_of(os.pathsep.join([*here, before]))
    return changed
