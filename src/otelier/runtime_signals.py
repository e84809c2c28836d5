"""Rows of the table of signals: what is told of the process, its event loop and its host.

The code makes its instruments of these rows.
"""

from __future__ import annotations

from otelier.signal import CODE, Signal, attribute, count, level, seconds

PROCESS = "semantic conventions, process"
CONTAINER = "semantic conventions, container"
SYSTEM = "semantic conventions, system"
CPYTHON = "semantic conventions, CPython"

LOOP_LAG = "otelier.event_loop.lag"
LOOP_BLOCKED = "otelier.event_loop.blocked_seconds"
LOOP_HELD_BACK = "otelier.event_loop.held_back"
STACK = "code.stacktrace"

CPU_MODE = "cpu.mode"
IO_DIRECTION = "disk.io.direction"
FAULT_TYPE = "system.paging.fault.type"
SWITCH_TYPE = "process.context_switch.type"
GENERATION = "cpython.gc.generation"

CPU_TIME = "process.cpu.time"
CPU_UTILIZATION = "process.cpu.utilization"
MEMORY = "process.memory.usage"
MEMORY_VIRTUAL = "process.memory.virtual"
THREADS = "process.thread.count"
DESCRIPTORS = "process.unix.file_descriptor.count"
SWITCHES = "process.context_switches"
PAGE_FAULTS = "process.paging.faults"
DISK_IO = "process.disk.io"
UPTIME = "process.uptime"

COLLECTIONS = "cpython.gc.collections"
COLLECTED = "cpython.gc.collected_objects"
UNCOLLECTABLE = "cpython.gc.uncollectable_objects"
PAUSES = "otelier.gc.pause"

CONTAINER_MEMORY = "container.memory.usage"
WORKING_SET = "container.memory.working_set"
MEMORY_LIMIT = "otelier.container.memory.limit"
MEMORY_UTILIZATION = "otelier.container.memory.utilization"

SYSTEM_CPU_TIME = "system.cpu.time"
SYSTEM_CPUS = "system.cpu.logical.count"
SYSTEM_MEMORY = "system.memory.usage"
SYSTEM_MEMORY_LIMIT = "system.memory.limit"
SYSTEM_MEMORY_AVAILABLE = "system.memory.linux.available"
SYSTEM_DISK_IO = "system.disk.io"
SYSTEM_NETWORK_IO = "system.network.io"
MEMORY_STATE = "system.memory.state"
DEVICE = "system.device"
INTERFACE = "network.interface.name"
NETWORK_DIRECTION = "network.io.direction"

POOL_USED = "otelier.thread_pool.used"
POOL_MAX = "otelier.thread_pool.max"
POOL_WAITING = "otelier.thread_pool.waiting"

_BLOCKED = "record of a blocked event loop"
_OF_HOST = "metrics of the host"
_OF_PROCESS, _OF_GC = "metrics of the process", "metrics of garbage collection"


def _gauge(name: str, meaning: str, unit: str, on: str, source: str = "") -> Signal:
    return Signal(
        name=name, kind="gauge", meaning=meaning, type="float", unit=unit, on=on, source=source
    )


_LOOP = (
    seconds(LOOP_LAG, "how late a callback of the event loop was called", "none"),
    attribute(LOOP_BLOCKED, "how long it was blocked, at least", _BLOCKED, "", "double"),
    attribute(
        LOOP_HELD_BACK,
        "blocked by the same line since the last record: those that had none of their own",
        _BLOCKED,
        "",
        "int",
    ),
    attribute(STACK, "what the event loop ran while it was blocked", _BLOCKED, CODE),
)
_PROCESS = (
    count(CPU_TIME, "CPU time", "s", "mode", PROCESS),
    _gauge(
        CPU_UTILIZATION, "of the CPUs that it may use, since the last look", "1", "mode", PROCESS
    ),
    level(MEMORY, "resident memory", "By", "none", PROCESS),
    level(MEMORY_VIRTUAL, "virtual memory", "By", "none", PROCESS),
    level(THREADS, "threads", "{thread}", "none", PROCESS),
    level(DESCRIPTORS, "open file descriptors", "{file_descriptor}", "none", PROCESS),
    count(SWITCHES, "context switches", "{context_switch}", "type", PROCESS),
    count(PAGE_FAULTS, "page faults", "{fault}", "type", PROCESS),
    count(DISK_IO, "bytes read from and written to disks", "By", "direction", PROCESS),
    _gauge(UPTIME, "since it began", "s", "none", PROCESS),
)
_GARBAGE = (
    count(COLLECTIONS, "garbage collections", "{collection}", "generation", CPYTHON),
    count(COLLECTED, "objects that were collected", "{object}", "generation", CPYTHON),
    count(UNCOLLECTABLE, "objects that could not be", "{object}", "generation", CPYTHON),
    seconds(PAUSES, "how long a collection stopped the interpreter", "generation"),
)
_CONTAINER = (
    level(CONTAINER_MEMORY, "memory, the cache of files included", "By", "none", CONTAINER),
    level(WORKING_SET, "without files that need not be kept", "By", "none", CONTAINER),
    level(MEMORY_LIMIT, "the smallest limit that holds for it", "By", "none"),
    _gauge(MEMORY_UTILIZATION, "memory by that limit", "1", "none"),
)
_HOST = (
    count(SYSTEM_CPU_TIME, "CPU time of the host", "s", "mode", SYSTEM),
    level(SYSTEM_CPUS, "its CPUs", "{cpu}", "none", SYSTEM),
    level(SYSTEM_MEMORY, "memory of the host", "By", "state", SYSTEM),
    level(SYSTEM_MEMORY_LIMIT, "all of it", "By", "none", SYSTEM),
    level(SYSTEM_MEMORY_AVAILABLE, "what could be had", "By", "none", SYSTEM),
    count(
        SYSTEM_DISK_IO, "bytes read from and written to disks", "By", "device, direction", SYSTEM
    ),
    count(SYSTEM_NETWORK_IO, "bytes over networks", "By", "interface, direction", SYSTEM),
)
_THREAD_POOL = (
    level(POOL_USED, "threads of the pool for sync routes that are in use", "{thread}", "none"),
    level(POOL_MAX, "most that may be in use", "{thread}", "none"),
    level(POOL_WAITING, "who waits for one", "{task}", "none"),
)

ROWS: tuple[Signal, ...] = (
    *_LOOP,
    *_PROCESS,
    *_GARBAGE,
    *_CONTAINER,
    *_HOST,
    *_THREAD_POOL,
    attribute(CPU_MODE, "`user`, `system` …", _OF_PROCESS, SYSTEM),
    attribute(IO_DIRECTION, "`read` or `write`", _OF_PROCESS, SYSTEM),
    attribute(FAULT_TYPE, "`major` or `minor`", _OF_PROCESS, SYSTEM),
    attribute(SWITCH_TYPE, "`voluntary` or `involuntary`", _OF_PROCESS, PROCESS),
    attribute(MEMORY_STATE, "`used`, `free`, `buffers`, `cached`", _OF_HOST, SYSTEM),
    attribute(DEVICE, "name of the disk", _OF_HOST, SYSTEM),
    attribute(INTERFACE, "name of the interface; the loopback is left out", _OF_HOST, SYSTEM),
    attribute(NETWORK_DIRECTION, "`receive` or `transmit`", _OF_HOST, SYSTEM),
    attribute(GENERATION, "0, 1 or 2", _OF_GC, CPYTHON, "int"),
)
