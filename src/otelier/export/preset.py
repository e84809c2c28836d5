"""Constant attributes: put together once, encoded once, sent many times.

A statement, a line that logs or a route has the same attributes each time. A `Preset` is a dict,
so that any tracer takes it; the encoder keeps its bytes beside it. Made once and never changed;
any thread may read it.
"""

from __future__ import annotations

from typing import Any


class Preset(dict[str, Any]):
    """Attributes that never change once it is made.

    on_span, on_log: their bytes as fields of a span and of a log record, set by the encoder.
    """

    __slots__ = ("on_log", "on_span")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_span: bytes | None = None
        self.on_log: bytes | None = None
