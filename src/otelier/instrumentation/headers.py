"""Headers of requests and answers that a user wants to see on the SERVER span.

None unless they are named. The values of those that are listed as secret are masked. Names are
regular expressions that have to match a whole name, whatever its case.

Source: semantic conventions, HTTP, `http.request.header.<key>`: lower case, a list of values.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from otelier.context import valid_request_id
from otelier.fixed import fixed
from otelier.marks import REDACTED as MASK
from otelier.marks import mark, masked
from otelier.privacy import mask_cut

Pairs = Iterable[tuple[bytes, bytes]]
_LONGEST = 1024


@fixed
class Headers:
    """request, response: those that are wanted; secret: those without their values.

    ids: names of those that hold a request's id, in small letters; what is none is not shown.
    """

    request: Sequence[re.Pattern[str]] = ()
    response: Sequence[re.Pattern[str]] = ()
    secret: Sequence[re.Pattern[str]] = ()
    ids: Collection[str] = ()

    def of_request(self, headers: Pairs) -> Mapping[str, tuple[str, ...]]:
        return self._matching(headers, self.request, "http.request.header.")

    def of_response(self, headers: Pairs) -> Mapping[str, tuple[str, ...]]:
        return self._matching(headers, self.response, "http.response.header.")

    def _matching(
        self, headers: Pairs, wanted: Sequence[re.Pattern[str]], prefix: str
    ) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for raw, value in headers if wanted else ():
            name = raw.decode("latin-1").lower()
            if any(pattern.fullmatch(name) for pattern in wanted):
                is_secret = any(pattern.fullmatch(name) for pattern in self.secret)
                shown = MASK if is_secret else text_of(value, _LONGEST)
                if name in self.ids and valid_request_id(value) is None:
                    shown = mark("value")
                    masked["value"] += 1
                found[prefix + name] = (*found.get(prefix + name, ()), shown)
        return found


def text_of(value: bytes, longest: int) -> str:
    """A header's value as text, not longer than that."""
    if len(value) <= longest:
        return value.decode("latin-1")
    return mask_cut(value[: longest * 8].decode("latin-1"), longest)
