"""An app that logs, set up in one of the ways in which apps set up `logging`: by SETUP."""

from __future__ import annotations

import logging
import logging.config
import os
import sys
from pathlib import Path
from typing import Any

from fastapi import FastAPI

HERE = Path(__file__).parent
SETUP = os.environ.get("SETUP", "nothing")
PLAIN = "%(levelname)s own %(message)s"

DICT: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": PLAIN}},
    "handlers": {
        "out": {
            "class": "logging.StreamHandler",
            "formatter": "plain",
            "stream": "ext://sys.stdout",
        }
    },
    "root": {"handlers": ["out"], "level": "INFO"},
}
FILE = f"""
[loggers]
keys=root
[handlers]
keys=out
[formatters]
keys=plain
[logger_root]
level=INFO
handlers=out
[handler_out]
class=StreamHandler
formatter=plain
args=(sys.stdout,)
[formatter_plain]
format={PLAIN}
"""


def _set_up() -> None:
    if SETUP == "basic":
        logging.basicConfig(level=logging.INFO, stream=sys.stdout, format=PLAIN)
    elif SETUP == "force":
        logging.getLogger().addHandler(logging.StreamHandler())
        logging.basicConfig(level=logging.INFO, stream=sys.stdout, format=PLAIN, force=True)
    elif SETUP == "dict":
        logging.config.dictConfig(DICT)
    elif SETUP == "dict without uvicorn":
        logging.config.dictConfig(DICT | {"disable_existing_loggers": True})
    elif SETUP == "file":
        path = Path(os.environ["FOLDER"]) / "logging.ini"
        path.write_text(FILE)
        logging.config.fileConfig(path, disable_existing_loggers=False)
    elif SETUP == "to a file":
        logging.basicConfig(level=logging.INFO, filename=Path(os.environ["FOLDER"]) / "app.log")
    elif SETUP == "loguru":
        from loguru import logger

        logger.remove()
        logger.add(sys.stdout, format="own {message}")


_set_up()
app = FastAPI()


@app.get("/log/{number}")
def log(number: int) -> dict[str, int]:
    logging.getLogger("shop").info("info %d", number, extra={"number": number})
    logging.getLogger("shop").warning("warning %d", number)
    if SETUP == "loguru":
        from loguru import logger

        logger.bind(number=number).info("loguru {}", number)
    return {"number": number}


@app.get("/fail")
def fail() -> None:
    raise ValueError("failed on purpose")
