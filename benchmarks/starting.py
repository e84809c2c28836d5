"""How long each contender's server takes from its start to its first answer.

Every round starts and stops each of them once. They have all been up before, in the same run, so
that the byte-code is written and the files are in memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from benchmarks.contenders import Contender
from benchmarks.serving import Serving

STARTS = 5


def start_seconds(
    contenders: Sequence[Contender],
    serve: Callable[[Contender], AbstractContextManager[Serving]],
) -> dict[str, list[float]]:
    """By contender."""
    found = defaultdict(list)
    for number in range(STARTS):
        for contender in (*contenders[number:], *contenders[:number]):
            with serve(contender) as serving:
                found[contender.name].append(serving.seconds_to_answer)
    return dict(found)
