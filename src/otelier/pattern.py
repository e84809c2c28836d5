"""A regular expression that is compiled when it is first looked for.

The masks have some hundred of them, 30 ms of every start, and most processes meet a text for one in
ten. From then on it is called as `re`'s own is. Two threads that come first both compile, to the
same end; a pattern that cannot be compiled is found by the test that compiles all.
"""

from __future__ import annotations

import re
from typing import Any, cast

_METHODS = ("findall", "finditer", "fullmatch", "match", "search", "split", "sub", "subn")


def pattern(source: str, flags: int = 0) -> re.Pattern[str]:
    """In the place of `re.compile(source, flags)`."""
    return cast("re.Pattern[str]", Lazy(source, flags))


class Lazy:
    """Has the attributes of `re.Pattern`, from the first use on as its own."""

    def __init__(self, source: str, flags: int) -> None:
        self._source = source
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        compiled = re.compile(self._source, self._flags)
        vars(self).update((method, getattr(compiled, method)) for method in _METHODS)
        return getattr(compiled, name)
