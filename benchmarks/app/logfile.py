"""Where the apps write their log lines."""

from __future__ import annotations

import logging


def log_to_file(path: str) -> None:
    """Beside whatever a contender has put on the root logger, never instead of it."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
