"""Sample calls of the public names, for type checkers alone: never executed.

What is written here type-checks for users under the strictest settings.
"""

from __future__ import annotations

import logging

import otelier


def version() -> str:
    return otelier.__version__


def binding() -> None:
    otelier.bind_user("u-42", session="s-7")
    otelier.bind_user(None)
    otelier.bind(tenant="acme", plan=2)


def environment() -> dict[str, str]:
    return otelier.environ()


def public_names() -> list[str]:
    return otelier.__all__


def json_lines() -> logging.Formatter:
    return otelier.JSONFormatter(fields="ecs", service={"service.name": "shop"})


def refused(user: str) -> None:
    otelier.security_event("auth.failure", user=user, severity="WARN", attempts=3)


async def reachable() -> bool:
    return True


def healthy() -> None:
    otelier.health_check("search", reachable)


def numbers() -> None:
    created = otelier.business_counter("workflow.created", unit="{workflow}")
    created.add()
    created.add(2, {"workflow.kind": "welcome"}, plan="free")
    otelier.business_gauge("user.active", read=lambda: 3)
    otelier.business_gauge("job.waiting").set(7.5, queue="mail")
    otelier.business_histogram("order.value", boundaries=(1, 10, 100)).record(9.99)
