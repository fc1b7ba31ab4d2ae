"""The byte form: any bytes are a valid program, and every program has bytes."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinheap.fuzz.generate import generate
from twinheap.fuzz.profiles import PROFILES
from twinheap.fuzz.strategies import programs
from twinheap.model.builder import Builder
from twinheap.model.bytecode import decode, encode, plain
from twinheap.model.ops import CODE, OPS
from twinheap.model.program import Program
from twinheap.model.text import dumps, loads
from twinheap.model.view import resolve


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_valid_program(data: bytes) -> None:
    program = decode(data)
    assert resolve(program.config, program.ops) == program
    assert decode(encode(program)) == program


@settings(max_examples=50, deadline=None)
@given(programs())
def test_programs_survive_the_byte_form(program: Program) -> None:
    assert decode(encode(program)) == plain(program)


@pytest.mark.parametrize("profile", PROFILES)
def test_generated_programs_survive_the_byte_form(profile: str) -> None:
    for number in range(60):
        program = generate(11, number, PROFILES[profile])
        assert decode(encode(program)) == plain(program)


def test_only_bodies_and_engines_are_left_out() -> None:
    program = loads("twinheap program 1\nL1 = i31_new S0 1\nkind L1\nI2 = inst S0\n").program
    assert plain(program) == program
    body = "(body (main (global.set 0 (get 0)) (global.get 0)))"
    text = f"S0: engine=pooling\nB0: {body}\nI1 = inst S0\nL2 = run I1 0 v0 null null null 0 lifo\nkind L2\ngc S0\n"
    assert dumps(plain(loads("twinheap program 1\n" + text).program)) == "twinheap program 1\nI1 = inst S0\ngc S0\n"


def test_random_bytes_reach_every_op_kind() -> None:
    seen = {op[0] for number in range(512) for op in decode(Random(number).randbytes(900)).ops}
    callbacks = {"arg", "ret", "raise", "raise_exn", "result"}
    bodies = {"run", "run_exn", "call", "call_exn"}  # which this form does not hold
    assert {spec.name for spec in OPS if spec.code not in seen} == bodies | callbacks


def test_codes_wrap() -> None:
    drop = CODE["store_drop"]  # whose code with all others before it is below 128
    one, other = decode(bytes([0, 0, drop, 0])), decode(bytes([0, 0, drop + len(OPS), 0]))
    assert one == other == decode(bytes([0, 0, drop, 9]))
    assert len(one.ops) == 1


def test_the_youngest_slot_is_zero() -> None:
    builder = Builder()
    one = builder.add(CODE["i31_new_owned"], (0, 0))
    two = builder.add(CODE["i31_new_owned"], (0, 0))
    assert one is not None
    assert two is not None
    builder.add(CODE["odrop"], two)
    data = encode(builder.finish())
    assert data[-2:] == bytes([CODE["odrop"], 0])


def test_slots_far_back_take_a_second_byte() -> None:
    builder = Builder()
    for _ in range(1000):
        builder.add(CODE["i31_new_owned"], (0, 0))
    for slot in (1, 5, 500, 999):
        builder.add(CODE["kind"], (slot,))
        builder.add(CODE["odrop"], (slot,))
    program = builder.finish()
    assert decode(encode(program)) == program
