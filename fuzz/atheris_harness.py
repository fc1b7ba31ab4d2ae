"""Coverage-guided fuzzing of the model against the in-tree heap, with Atheris over the byte form.

    python -m twinheap.fuzz.atheris_harness --out findings [--collector drc] [LIBFUZZER OPTIONS] [CORPUS FOLDERS]

What counts as coverage is the code of the model and of the heap together, so inputs that reach a new state in either
are kept. Needs the extra `fuzz`. A divergence is written to `--out` in the stored form before the process ends the
way that libFuzzer expects; `twinheap replay` and `shrink` take it from there. Options that are not known here go to
libFuzzer (`-runs=1000`, `-max_total_time=60`, `-seed=1`).
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

MISSING: Final = (
    "atheris is not installed: it comes with the extra 'fuzz' (pip install 'twinheap[fuzz]'); "
    "`twinheap fuzz` needs no extra"
)
USAGE_EXIT: Final = 2  # usage or environment, as everywhere in twinheap
OWN_MUTATIONS: Final = 7  # of 8; the rest are libFuzzer's own, which know nothing of ops but hit byte edges


class Diverged(Exception):
    """The heap did what the model does not allow; ends the fuzzer, as every exception does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs until libFuzzer ends the process; gives 2 with a message if atheris is missing."""
    options, rest = _parser().parse_known_args(argv)
    try:
        import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        print(MISSING, file=sys.stderr)
        return USAGE_EXIT
    with atheris.instrument_imports(include=["twinheap.model", "twinheap.targets.heap"]):
        from twinheap.model import bytecode, judge, profiles, text
        from twinheap.targets.heap import machine
    from twinheap.fuzz.byte_mutations import mutate_bytes  # only now: it imports the model, which is instrumented

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        """libFuzzer's hook: mostly changes whole ops, sometimes bytes."""
        rng = random.Random(seed)
        if rng.randrange(OWN_MUTATIONS + 1) == 0:
            return bytes(atheris.Mutate(data, max_size))
        return mutate_bytes(data, rng, max_size)

    options.out.mkdir(parents=True, exist_ok=True)
    heap = machine.HeapMachine(options.collector)
    hello = heap.hello()
    profile = profiles.profile_for(hello.runtime, hello.release, hello.collector, hello.exact)

    def check(data: bytes) -> None:
        program = bytecode.decode(data)
        verdicts = judge.judge(program, heap.run(program), profile)
        if verdicts:
            path = _write(options.out, program, verdicts[0], text)
            raise Diverged(f"{verdicts[0].code}: {verdicts[0].observed}; allowed: {verdicts[0].allowed}; see {path}")

    atheris.Setup([sys.argv[0], *rest], check, custom_mutator=mutate)
    atheris.Fuzz()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m twinheap.fuzz.atheris_harness",
        description="Coverage-guided fuzzing of the in-tree heap; options not listed here go to libFuzzer.",
    )
    parser.add_argument("--out", type=Path, default=Path("findings"), help="folder that findings are written to")
    parser.add_argument("--collector", choices=("drc", "null", "copying"), default="drc")
    return parser


def _write(folder: Path, program: Any, verdict: Any, text: Any) -> Path:
    """The finding as a stored program, named after its code and its content."""
    path = folder / f"{verdict.code.lower()}-{text.digest(program)}{text.SUFFIX}"
    meta = {"code": verdict.code, "note": f"found by atheris: {verdict.observed}"}
    path.write_text(text.dumps(program, meta), encoding="utf-8")
    return path


if __name__ == "__main__":
    raise SystemExit(main())
