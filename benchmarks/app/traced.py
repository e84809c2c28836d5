"""The app in a process that counts the bytecodes which it runs, by function; not for its speed.

Serves on a free port, asks itself so many times over one connection, and writes what it counted
into a file, as JSON: `[[file, function, bytecodes, calls], …]`. What the requests leave to threads
is waited for, and counted with them. With OTEL_PYTHON_DISTRO set it is observed, as the launcher
has it observed.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

_WARM, _SETTLED = 200, 1.2


class Counting:
    """Of every thread that begins after `follow`."""

    def __init__(self) -> None:
        self.is_on = False
        self.bytecodes: Counter[CodeType] = Counter()
        self.calls: Counter[CodeType] = Counter()

    def follow(self) -> None:
        threading.settrace(self._called)
        sys.settrace(self._called)

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not self.is_on:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.calls[frame.f_code] += 1
        return self._within

    def _within(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode":
            self.bytecodes[frame.f_code] += 1
        return self._within


def main(path: str, requests: int, file: str) -> None:
    counting = Counting()
    threading.settrace(counting._called)
    if os.environ.get("OTEL_PYTHON_DISTRO"):
        from opentelemetry.instrumentation import auto_instrumentation

        auto_instrumentation.initialize()
    import uvicorn

    from benchmarks.app.program import app

    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, loop="uvloop", http="httptools")
    )

    def drive() -> None:
        sys.settrace(None)
        while not server.started:
            time.sleep(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for number in (_WARM, requests):
            for _ in range(number):
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200
            time.sleep(_SETTLED)
            counting.is_on = not counting.is_on
        connection.close()
        server.should_exit = True

    threading.settrace(None)
    asking = threading.Thread(target=drive)
    asking.start()
    counting.follow()
    server.run()
    asking.join()
    rows = [
        [code.co_filename, code.co_qualname, number, counting.calls[code]]
        for code, number in counting.bytecodes.items()
    ]
    Path(file).write_text(json.dumps(rows))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
