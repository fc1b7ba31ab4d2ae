"""Collections between all steps show soon what a stack map forgets."""

from __future__ import annotations

from twinheap.fuzz.budget import BLOCK
from twinheap.fuzz.generate import generate
from twinheap.fuzz.opening import opener_for
from twinheap.fuzz.profiles import PROFILES
from twinheap.model.view import view

SEEDS = range(1, 9)
"""So many that one lucky or unlucky seed of either profile does not decide: single searches differ tenfold."""
MAX_PROGRAMS = 640
TARGET = "heap,mutant=w31,timeout=0.5"
"""Selected references are missing from stack maps; what hangs then is not waited for."""


def programs_until_found(profile: str, seed: int) -> int:
    differ = opener_for()(TARGET)
    try:
        for start in range(0, MAX_PROGRAMS, BLOCK):
            numbers = range(start, start + BLOCK)
            made = [generate(seed, number, PROFILES[profile], differ.supported) for number in numbers]
            for at, judged in enumerate(differ.run([view(program, differ.supported) for program in made]), start):
                if judged.verdicts:
                    return at + 1
    finally:
        differ.close()
    return MAX_PROGRAMS


def test_a_reference_that_stack_maps_forget_is_found_sooner() -> None:
    zeal = sum(programs_until_found("zeal", seed) for seed in SEEDS)
    assert zeal < len(SEEDS) * MAX_PROGRAMS / 8
    assert 2 * zeal < sum(programs_until_found("default", seed) for seed in SEEDS)
