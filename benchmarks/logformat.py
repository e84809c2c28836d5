"""What a JSON line costs, beside others' for the same record: `python -m benchmarks.logformat`.

Three kinds of record: text alone, with three extra fields, with an exception. Each is formatted by
`otelier.JSONFormatter`, by python-json-logger, and by structlog (its `ProcessorFormatter`, which
makes a line of the same fields), by turns; the best round of each counts, in the thread's own time.
Otelier's line has more in it: trace, span, request and user.

Then what logging such a record costs in the thread that logs, as an app does it (`logger.info`):
without Otelier to python-json-logger on a stream, observed with that handler left alone, and with
our line in place of it.
"""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from opentelemetry._logs import NoOpLoggerProvider, set_logger_provider
from pythonjsonlogger.json import JsonFormatter

from benchmarks.encoder import race
from otelier import JSONFormatter
from otelier.context import RequestContext, current_request
from otelier.instrumentation.logs import Capture
from otelier.instrumentation.printed import Printed
from otelier.instrumentation.records import Records
from otelier.privacy import mask_field

RECORDS = 500
FIELDS = "%(asctime)s %(levelname)s %(message)s %(name)s %(module)s %(funcName)s %(lineno)d"
EXTRA = {"order": 4711, "amount": 19.5, "customer": "c-118"}


def records(kind: str) -> list[logging.LogRecord]:
    """Records that differ in their text and time."""
    logger = logging.getLogger("shop.orders")
    error = _raised() if kind == "exception" else None
    info: Any = (type(error), error, error.__traceback__) if error else None
    return [
        logger.makeRecord(
            logger.name, logging.INFO, __file__, 48, "order %d shown in %.3f s",
            (number, number / 7), info, "show_order", EXTRA if kind == "extra" else None,
        )
        for number in range(RECORDS)
    ]  # fmt: skip


def _raised() -> BaseException:
    try:
        json.loads("{")
    except ValueError as error:
        return error
    raise AssertionError


def of_structlog() -> logging.Formatter:
    where = structlog.processors.CallsiteParameter
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.CallsiteParameterAdder(
                {where.MODULE, where.FUNC_NAME, where.LINENO}
            ),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
        logger=logging.getLogger("shop.orders"),
    )


def all_of(formatter: logging.Formatter, made: list[logging.LogRecord]) -> None:
    for record in made:
        record.exc_text = None  # python-json-logger and structlog would keep it
        formatter.format(record)


def lines() -> None:
    formatters = (JSONFormatter(), JsonFormatter(FIELDS), of_structlog())
    print(
        f"{'microseconds for a line':<28}{'otelier':>9}{'python-json-logger':>20}{'structlog':>11}"
    )
    for kind in ("text", "extra", "exception"):
        made = records(kind)
        for formatter in formatters:
            assert json.loads(formatter.format(made[0]))
        best = race(*(partial(all_of, formatter, made) for formatter in formatters))
        ours, first, second = (taken / RECORDS * 1e6 for taken in best)
        print(f"{kind:<28}{ours:>9.2f}{first:>20.2f}{second:>11.2f}")


class Thrown(io.TextIOBase):
    """Takes what is written."""

    def write(self, text: str) -> int:
        return len(text)


def logged(run: Callable[[], object]) -> float:
    (seconds,) = race(run)
    return seconds / RECORDS * 1e6


def calls() -> None:
    """`logger.info`, as an app calls it."""
    set_logger_provider(NoOpLoggerProvider())
    logger = logging.getLogger("shop.calls")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    handler = logging.StreamHandler(Thrown())
    handler.setFormatter(JsonFormatter(FIELDS))

    def run() -> None:
        for number in range(RECORDS):
            logger.info("order %d shown", number, extra=EXTRA)

    logger.addHandler(handler)
    without = logged(run)
    observed = _observed(run, None)
    logger.removeHandler(handler)
    only_sent = _observed(run, None, swallow=True)
    printed = Printed("json", mask=mask_field)
    stdout, sys.stdout = sys.stdout, Thrown()
    try:
        ours = _observed(run, printed)
    finally:
        sys.stdout = stdout
    print(f"\n{'microseconds for a call':<28}")
    print(f"{'its own JSON handler':<28}{without:>9.2f}")
    print(f"{'observed beside it':<28}{observed:>9.2f}")
    print(f"{'observed, no output':<28}{only_sent:>9.2f}")
    print(f"{'observed, our line':<28}{ours:>9.2f}")


def _observed(
    run: Callable[[], object], printed: Printed | None, *, swallow: bool = False
) -> float:
    kept: list[Any] = []
    original = logging.Logger.callHandlers
    capture = Capture(logging.INFO, Records(lambda log: _replace(kept, log)), printed)
    last, logging.lastResort = logging.lastResort, None if swallow else logging.lastResort
    raising, logging.raiseExceptions = logging.raiseExceptions, False
    logging.Logger.callHandlers = capture.capturing(original)  # type: ignore[method-assign]
    try:
        return logged(run)
    finally:
        logging.Logger.callHandlers = original  # type: ignore[method-assign]
        logging.lastResort, logging.raiseExceptions = last, raising


def _replace(kept: list[Any], log: Any) -> None:
    kept[:] = (log,)


def main() -> None:
    box = RequestContext("0193e0c5-8c0a-7c1e-b0a1-3f6c1de0c7a4")
    box.user_id = "u-118"
    token = current_request.set(box)
    try:
        lines()
        calls()
    finally:
        with suppress(ValueError):
            current_request.reset(token)


if __name__ == "__main__":
    main()
