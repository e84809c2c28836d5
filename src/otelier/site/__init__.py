"""The folder in `PYTHONPATH` by which every Python process of an app is observed.

Upstream's own folder makes a child Python of another environment print an error, as it finds no
OpenTelemetry there. Ours takes its place: it holds nothing but `sitecustomize`, which starts
OpenTelemetry where Otelier is installed and does nothing elsewhere. Imported by the launching
process, so nothing else is imported here.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from typing import Any

FOLDER = os.path.dirname(os.path.abspath(__file__))

_UPSTREAM = "opentelemetry.instrumentation.auto_instrumentation"
_THEIRS = _UPSTREAM.replace(".", os.sep)


def take_place(environ: MutableMapping[str, str]) -> None:
    """Let upstream's launcher, in this process, start the app with our folder for its own."""
    launcher = sys.modules.get(_UPSTREAM)
    become = getattr(launcher, "execl", None)
    if launcher is not None and become is not None:
        vars(launcher)["execl"] = _becoming(become, environ)


def instead_of(path: str) -> str:
    """`PYTHONPATH` with our folder in front, and without upstream's."""
    others = [one for one in path.split(os.pathsep) if one not in (FOLDER, "")]
    return os.pathsep.join([FOLDER, *(one for one in others if not one.endswith(_THEIRS))])


def _becoming(become: Callable[..., Any], environ: MutableMapping[str, str]) -> Any:
    def execl(*args: str) -> Any:
        environ["PYTHONPATH"] = instead_of(environ.get("PYTHONPATH", ""))
        return become(*args)

    return execl
