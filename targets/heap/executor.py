"""The executor of the in-tree heap: `python -P -m twinheap.targets.heap.executor [--mutant m09] ...`.

Nothing of the heap is imported before the mutant is planted.
"""

from __future__ import annotations

import argparse
import gc

from twinheap.targets import serve
from twinheap.targets.heap import mutants

GC_THRESHOLD = 50_000
"""Objects made before Python looks for cycles; the heap makes hardly any, and a fill makes 20,000 handles."""


def main() -> None:
    """Reads the options, plants the mutant, serves. Exits with 2 on unknown options."""
    parser = argparse.ArgumentParser(description="Runs programs on the in-tree heap; speaks the wire on its streams.")
    parser.add_argument("--collector", default="drc", choices=("drc", "null", "copying"))
    parser.add_argument("--mutant", default=None, choices=sorted(mutants.MUTANTS), metavar="NAME")
    parser.add_argument("--defects", default="", help="known defects to switch on, as k1+k6")
    parser.add_argument("--verify", action="store_true", help="check the heap's invariants after every op")
    options = parser.parse_args()
    if options.mutant is not None:
        mutants.install(options.mutant)
    from twinheap.targets.heap.machine import HeapMachine

    defects = frozenset(name for name in options.defects.split("+") if name)
    machine = HeapMachine(options.collector, defects=defects, verify=options.verify, mutant=options.mutant)
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    serve.main(machine)


if __name__ == "__main__":
    main()
