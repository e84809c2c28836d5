"""What an app itself wants to be asked of its health: `health_check`.

Kept here, and asked by `instrumentation.checks`; where Otelier is not at work nobody asks. Any
thread may call; nothing is raised.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from otelier import _guard

Check = Callable[[], Awaitable[object]]

own: dict[str, Check] = {}
"""By their names, in the order in which they came."""

_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_TAKEN = ("checks", "database", "redis", "status", "timestamp")
_MOST = 16


def health_check(name: str, check: Check) -> None:
    """Let `/health` and `/health/ready` ask this as well.

    name: under which `/health` tells how it is, of lower-case letters, digits, `.`, `_` and `-`;
    a name that is there already gets the new check. check: called without arguments on the app's
    event loop, at most once in two seconds for all who ask meanwhile. It fails where it raises,
    where its result is `False`, and where it takes longer than a second: it is cancelled then.
    """
    reason = ""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        reason = "a name is up to 64 lower-case letters, digits, '.', '_' and '-'"
    elif name in _TAKEN:
        reason = "that name is used already"
    elif not callable(check):
        reason = "it cannot be called"
    elif name not in own and len(own) >= _MOST:
        reason = f"there is room for {_MOST}"
    if reason:
        _guard.say(f"health_check({name!r:.80}) ignored: {reason}", cause=f"health: {reason}")
    else:
        own[name] = check
