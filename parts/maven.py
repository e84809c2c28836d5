"""Programs that are published for Java: fetched by Maven, which knows the registry."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from parts import Missing


def fetch(artifact: str, folder: Path, what: str) -> None:
    """Put the file of `group:name:version[:type]` into a folder. what: it is called in an error."""
    if not (maven := shutil.which("mvn")):
        raise Missing(what, "install Maven (mvn), which fetches it")
    command = [maven, "-q", "-B", "dependency:copy", f"-Dartifact={artifact}"]
    done = subprocess.run(
        [*command, f"-DoutputDirectory={folder}"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        first = (done.stdout.strip().splitlines() or ["no reason given"])[0]
        raise Missing(what, f"mvn must be able to fetch it; it said {first}")
