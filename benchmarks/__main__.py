"""`python -m benchmarks overhead`: what it costs; `… delivery`: what arrives when receivers fail;
both beside the peers. `… start`: what a start takes. `… loop`, `… throughput`: in one process.
`… bytecodes`: where the work of a request is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks import bytecodes, delivery, loop, overhead, start, throughput


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for module in (overhead, delivery, start, loop, throughput, bytecodes):
        name = module.__name__.rpartition(".")[2]
        command = commands.add_parser(name, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    return int(options.run(options))


if __name__ == "__main__":
    sys.exit(main())
