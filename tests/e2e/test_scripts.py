"""Scripts and the processes they make: what was recorded is there at every kind of end, once.

Real parts: the launcher, Python's own `multiprocessing`, forks and signals. Each process records a
span, a log record and a count under a name of its own.
"""

from __future__ import annotations

import signal
import subprocess
import textwrap
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from otelier.cli.receiver import Receiver
from parts.server import BIN, environment

PROLOGUE = """
import asyncio, logging, multiprocessing, os, signal, sys, threading, time
from opentelemetry import metrics, trace

log = logging.getLogger("script")
counter = metrics.get_meter("script").create_counter("script.work")

def work(name):
    with trace.get_tracer("script").start_as_current_span(name):
        log.info(name)
        counter.add(1, {"name": name})
    return os.getpid()
"""


@dataclass
class Ended:
    """code: as of `subprocess`. spans, logs: how often each name arrived. counted: by name."""

    code: int
    stderr: str
    spans: Counter[str]
    logs: Counter[str]
    counted: Counter[str]


def _heed_interrupts() -> None:
    """A test that runs in the background of a shell would hand on that they are ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(body: str, folder: Path, *, observed: bool = True) -> Ended:
    """A script under the launcher, until it ends."""
    (folder / "script.py").write_text(PROLOGUE + textwrap.dedent(body))
    launcher = [str(BIN / "opentelemetry-instrument")] if observed else []
    with Receiver() as receiver:
        done = subprocess.run(
            [*launcher, str(BIN / "python"), "script.py"],
            cwd=folder,
            env=environment({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}),
            capture_output=True,
            text=True,
            timeout=90,
            preexec_fn=_heed_interrupts,
        )
        counted: Counter[str] = Counter()
        for point in receiver.points:
            if point.name == "script.work":
                counted[point.attributes["name"]] += int(point.value)
        return Ended(
            done.returncode,
            done.stderr,
            Counter(span.name for span in receiver.spans if span.scope == "script"),
            Counter(str(log.body) for log in receiver.logs if log.scope == "script"),
            counted,
        )


def check(body: str, folder: Path, *names: str) -> Ended:
    """All three signals of each name arrived once."""
    return check_arrived(run(body, folder), *names)


def check_arrived(ended: Ended, *names: str) -> Ended:
    expected = Counter(names)
    assert (ended.spans, ended.logs, ended.counted) == (expected, expected, expected), ended.stderr
    assert "; the app goes on" not in ended.stderr
    return ended


ENDS = {
    "normal": ("work('a')", 0),
    "exit 3": ("work('a'); sys.exit(3)", 3),
    "exception": ("work('a'); raise ValueError('x')", 1),
    "os._exit": ("work('a'); os._exit(4)", 4),
    "TERM": ("work('a'); os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)", -signal.SIGTERM),
    "INT": ("work('a'); os.kill(os.getpid(), signal.SIGINT); time.sleep(9)", -signal.SIGINT),
    "asyncio": ("async def main(): work('a')\nasyncio.run(main())", 0),
    "asyncio, TERM": (
        "async def main():\n    work('a'); os.kill(os.getpid(), signal.SIGTERM)\n"
        "    await asyncio.sleep(9)\nasyncio.run(main())",
        -signal.SIGTERM,
    ),
    "a handler of the app": (
        "signal.signal(signal.SIGTERM, lambda *_: (work('b'), sys.exit(7)))\n"
        "work('a'); os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)",
        7,
    ),
    "a thread": ("t = threading.Thread(target=work, args=('a',)); t.start(); t.join()", 0),
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """All of them, some at the same time."""
    folders = [tmp_path_factory.mktemp("end") for _ in ENDS]
    with ThreadPoolExecutor(4) as pool:
        done = pool.map(run, [body for body, _ in ENDS.values()], folders)
        return dict(zip(ENDS, done, strict=True))


@pytest.mark.parametrize("end", ENDS)
def test_an_end(end: str, ended: dict[str, Ended]) -> None:
    """Delivered, and the exit code is what it is without us."""
    names = ("a", "b") if "handler" in end else ("a",)
    assert check_arrived(ended[end], *names).code == ENDS[end][1]


FORKS = """
def prefork():
    # As Celery does: children that loop, end by TERM or by os._exit, and a parent that waits.
    children = []
    for number in range(3):
        pid = os.fork()
        if not pid:
            work(f"forked {number}")
            if number == 0:
                os._exit(5)
            if number == 1:
                sys.exit(6)
            signal.pause()
        children.append(pid)
    time.sleep(1.5)
    os.kill(children[2], signal.SIGTERM)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]

def pool(kind):
    context = multiprocessing.get_context(kind)
    with context.Pool(2) as workers:
        workers.map(work, [f"{kind} pool {n}" for n in range(4)])
        workers.close()
        workers.join()
    child = context.Process(target=work, args=(f"{kind} process",))
    child.start()
    child.join()
    assert child.exitcode == 0

if __name__ == "__main__":
    work("before")
    assert prefork() == [5, 6, -signal.SIGTERM]
    pool("fork")
    pool("spawn")
    work("after")
"""


def test_children(tmp_path: Path) -> None:
    """Forks, pools and spawned processes deliver what is theirs; nothing of the parent twice."""
    names = [f"forked {n}" for n in range(3)]
    for kind in ("fork", "spawn"):
        names += [f"{kind} process", *(f"{kind} pool {n}" for n in range(4))]
    assert check(FORKS, tmp_path, "before", "after", *names).code == 0


UNDER_LOAD = """
if __name__ == "__main__":
    going = threading.Event()

    def load(thread):
        for number in range(400):
            work(f"{thread}-{number}")
            time.sleep(0.001)

    threads = [threading.Thread(target=load, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    children = []
    for number in range(6):
        time.sleep(0.1)
        pid = os.fork()
        if not pid:
            work(f"child {number}")
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    for thread in threads:
        thread.join()
"""


def test_forks_under_load(tmp_path: Path) -> None:
    """Six forks while three threads record: 1,206 names, each once on every signal."""
    names = [f"{thread}-{number}" for thread in range(3) for number in range(400)]
    check(UNDER_LOAD, tmp_path, *names, *(f"child {n}" for n in range(6)))


KILLED = """
if __name__ == "__main__":
    with open("times", "w", buffering=1) as times:
        for number in range(600):
            work(str(number))
            print(time.monotonic(), file=times)
            time.sleep(0.005)
        print(time.monotonic(), file=times)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def lost_to_kill(folder: Path) -> float:
    """Seconds before `kill -9` from which on a span or log record may be lost."""
    ended = run(KILLED, folder)
    assert ended.code == -signal.SIGKILL
    *times, killed_at = map(float, (folder / "times").read_text().split())
    names = [str(number) for number in range(len(times))]
    arrived = [name for name in names if ended.spans[name] == ended.logs[name] == 1]
    assert arrived == names[: len(arrived)], "there is a gap"
    return killed_at - times[len(arrived)] if len(arrived) < len(times) else 0.0


def test_kill(tmp_path: Path) -> None:
    """What cannot be handled costs the last second; half a second more on a busy machine."""
    assert lost_to_kill(tmp_path) <= 1.0


HANDLERS = """
order = []

def first(number, frame):
    order.append("first")
    work("in the handler")

async def main():
    work("a")
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, lambda: (order.append("loop"), done.set()))
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(done.wait(), 5)

if __name__ == "__main__":
    found = signal.getsignal(signal.SIGTERM)
    asyncio.run(main())
    signal.signal(signal.SIGTERM, first)
    signal.signal(signal.SIGINT, lambda *_: order.append("int"))
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    assert order == ["loop", "first", "int"], order
    sys.exit(9)
"""


def test_handlers_of_the_app(tmp_path: Path) -> None:
    """Its own handlers, and its event loop's, run as without us and in their order."""
    assert check(HANDLERS, tmp_path, "a", "in the handler").code == 9
    assert run(HANDLERS, tmp_path, observed=False).code == 9
