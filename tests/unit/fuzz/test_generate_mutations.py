"""Mutations of byte programs: valid, within the size, deterministic, and mostly another program."""

from __future__ import annotations

import sys
from random import Random

import pytest

from twinheap.fuzz import atheris_harness
from twinheap.fuzz.byte_mutations import mutate, mutate_bytes
from twinheap.fuzz.generate import generate
from twinheap.model.bytecode import decode, encode
from twinheap.model.ops import CODE
from twinheap.model.view import resolve


def test_mutants_of_a_program_are_valid_and_mostly_differ() -> None:
    program = generate(1, 1)
    made = [mutate(program, Random(seed)) for seed in range(200)]
    assert all(resolve(other.config, other.ops) == other for other in made)
    assert sum(other != program for other in made) > 180


def test_mutations_begin_from_nothing_and_depend_on_the_seed_alone() -> None:
    grown = {mutate_bytes(b"", Random(seed), 4096) for seed in range(50)}
    assert len(grown) > 8
    assert mutate_bytes(b"", Random(7), 4096) == mutate_bytes(b"", Random(7), 4096)


def test_mutations_respect_the_size() -> None:
    data = encode(generate(1, 2))
    assert all(len(mutate_bytes(data, Random(seed), 40)) <= 40 for seed in range(50))


def test_a_doubled_allocation_gets_another_value() -> None:
    one = decode(bytes([0, 0, CODE["ext_new_owned"], 0, 0]))
    assert any(sum(op[0] == CODE["ext_new_owned"] for op in mutate(one, Random(seed)).ops) == 2 for seed in range(50))


def test_without_atheris_the_harness_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "atheris", None)
    assert atheris_harness.main([]) == 2
    assert "twinheap[fuzz]" in capsys.readouterr().err
