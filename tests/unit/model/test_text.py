"""The stored form: what is written is read back the same, and mistakes are named with line and remedy."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from twinheap.fuzz.generate import generate
from twinheap.fuzz.strategies import programs
from twinheap.model.ops import CODE
from twinheap.model.program import Config, Program
from twinheap.model.text import FormatError, digest, dumps, format_op, format_ops, loads

HEAD = "twinheap program 1\n"


def read(body: str) -> Program:
    return loads(HEAD + body).program


@settings(max_examples=50, deadline=None)
@given(programs())
def test_reading_gives_back_what_was_written(program: Program) -> None:
    text = dumps(program)
    assert loads(text).program == program
    assert dumps(loads(text).program) == text


@pytest.mark.parametrize("number", range(150))
def test_generated_programs_survive_the_stored_form(number: int) -> None:
    program = generate(5, number)
    assert loads(dumps(program)).program == program


def test_the_canonical_form_in_full() -> None:
    text = HEAD + (
        "code: TH201\n"
        "note: with a # and a: colon\n"
        "S0: limit=65536 limiter=async\n"
        "scope S0:\n"
        "  P3, L1, X2 = new_async S0 v0\n"
        "  poll P3 0\n"
        "  scope S0:\n"
        "    O4 = own L1\n"
        "T5 = table_new S0 extern 3 none null\n"
        "G6 = global_new S0 any var null\n"
        "S7 = store_new none plain\n"
    )
    parsed = loads(text)
    assert dumps(parsed.program, parsed.meta) == text
    assert list(parsed.meta.items()) == [("code", "TH201"), ("note", "with a # and a: colon")]
    assert parsed.program.config == Config(65536, 1)


def test_hand_edited_text_is_taken_and_written_in_one_way() -> None:
    text = "\n# a remark\nscope S0:\n\tObig =  ext_new_owned S0, v77  # another\n\n\tscope S0:\n\tkind Obig\ngc S0\n"
    assert dumps(read(text)) == (HEAD + "scope S0:\n  O1 = ext_new_owned S0 v0\n  scope S0:\n  kind O1\ngc S0\n")


def test_windows_line_ends_and_hexadecimal_numbers() -> None:
    assert (
        dumps(loads("twinheap program 1\r\ni31_new S0 0x7fffffff\r\n").program) == HEAD + "L1 = i31_new S0 2147483647\n"
    )


def test_a_result_that_is_not_named_is_made_all_the_same() -> None:
    assert dumps(read("ext_new_owned S0 v0")) == HEAD + "O1 = ext_new_owned S0 v0\n"
    assert dumps(read("O1, X2 = ext_new_owned S0 v0")) == HEAD + "O1, X2 = ext_new_owned S0 v0\n"


def test_a_value_returns_under_its_name() -> None:
    program = read("S0: limit=0\nO1, X2 = ext_new_owned S0 v9\noom_take X2\nO3 = ext_new_owned S0 v9\n")
    assert program.ops[2][2] == program.ops[0][2]


def test_scopes_are_closed_at_the_end_of_the_text() -> None:
    assert [op[0] for op in read("scope S0:\n  scope S0:\n    gc S0").ops].count(CODE["end"]) == 2


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "must begin with"),
        ("twinheap program 2\n", 1, "newer TwinHeap"),
        (HEAD + "\next_nwe S0 v0", 3, "did you mean ext_new"),
        (HEAD + "ext_new S0", 2, "takes 2 operands, not 1: <store> <value>"),
        (HEAD + "data L1", 2, "not defined above"),
        (HEAD + "odrop S0", 2, "wrong kind; use a slot O"),
        (HEAD + "O1 = ext_new S0 v0", 2, "gives L, X?"),
        (HEAD + "Q1 = ext_new S0 v0", 2, "no slot name"),
        (HEAD + "L1 = ext_new S0 v0\nL1 = ext_new S0 v1", 3, "defined twice"),
        (HEAD + "ext_new S0 0", 2, "use v and a number"),
        (HEAD + "ext_new S0 v0\next_new S0 v0", 3, "host value v0 is used above"),
        (HEAD + "set_limit S0 -3", 2, "from 0 to 16777216 or none"),
        (HEAD + "set_limit S0 soon", 2, "use a number"),
        (HEAD + "S0: limiter=fast", 2, "plain or async"),
        (HEAD + "S0: engine=fast", 2, "default or unoptimized or pooling or moving"),
        (HEAD + "S0: speed=9", 2, "engine=NAME"),
        (HEAD + "S0: limit=1\nS0: limit=2", 3, "given twice"),
        (HEAD + "S1: limit=1", 2, "store_new"),
        (HEAD + "note: a\nnote: b", 3, "given twice"),
        (HEAD + "O1 = i31_new_owned S0 1\nodrop O1\nodrop O1", 4, "dropped or consumed above"),
        (HEAD + "O1 = ext_new_owned S0 v0\nW2 = to_raw O1\ngc S0\nfrom_raw W2 any", 5, "expired"),
        (HEAD + "P1 = gc_async S0\ngc S0", 3, "a future is pending on S0"),
        (HEAD + "S1 = store_new none plain\nL2 = i31_new S1 1\nstore_drop S1\nkind L2", 5, "S1, which was dropped"),
        (HEAD + "L1 = i31_new S0 1\ndata L1", 3, "precondition does not hold"),
        (HEAD + "S1 = store_new none plain\nL2 = i31_new S0 1\nwrong_store S1 L2 own\ngc S0", 5, "nothing may follow"),
        (HEAD + "scope S0", 2, "add the colon"),
        (HEAD + "gc S0:", 2, "remove the colon"),
        (HEAD + "scope S0:\n    gc S0\n  gc S0", 4, "indentation"),
        (HEAD + "  gc S0", 2, "indentation"),
        (HEAD + "scope S0:\n  gc S0\nend", 4, "ends by its indentation"),
        (HEAD + "= gc S0", 2, "nothing on one side"),
        (HEAD + "L1 = i31_new S0 1\ncast L1 any", 3, "eq or struct or array"),
    ],
)
def test_mistakes_are_named_with_line_and_remedy(text: str, line: int, says: str) -> None:
    with pytest.raises(FormatError) as caught:
        loads(text)
    assert caught.value.line == line
    assert str(caught.value).startswith(f"line {line}: ")
    assert says in str(caught.value)


def test_a_lenient_reader_leaves_lines_out_with_what_stands_on_them() -> None:
    parsed = loads(HEAD + "O1 = i31_new_owned S0 1\nodrop O1\nO2 = oclone O1\nkind O2\ngc S0\n", lenient=True)
    assert parsed.dropped == (4, 5)
    assert dumps(parsed.program) == HEAD + "O1 = i31_new_owned S0 1\nodrop O1\ngc S0\n"


def test_a_lenient_reader_keeps_the_inside_of_a_dropped_scope() -> None:
    parsed = loads(HEAD + "P1 = gc_async S0\nscope S0:\n  cancel P1\ngc S0\n", lenient=True)
    assert parsed.dropped == (3,)
    assert dumps(parsed.program) == HEAD + "P1 = gc_async S0\ncancel P1\ngc S0\n"


@pytest.mark.parametrize("meta", [{"S0": "x"}, {"two words": "x"}, {"note": "two\nlines"}, {"": "x"}])
def test_header_lines_that_could_not_be_read_back_are_refused(meta: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="header"):
        dumps(read("gc S0"), meta)


def test_the_digest_is_of_the_program_alone() -> None:
    named = loads(HEAD + "note: x\nLmine = i31_new S0 1\n").program
    assert digest(named) == digest(read("L1 = i31_new S0 1"))
    assert len(digest(named)) == 16
    assert digest(named) != digest(read("L1 = i31_new S0 0"))


def test_single_ops_print_as_their_lines() -> None:
    program = read("scope S0:\n  O1 = i31_new_owned S0 1\n  kind O1")
    assert format_ops(program) == [
        "scope S0:",
        "O1 = i31_new_owned S0 1",
        "kind O1",
        "end",
        "gc S0",
        "sync S0",
        "store_drop S0",
    ]
    assert format_op(program.ops[2]) == "kind H1"


def test_bodies_are_header_lines_written_in_one_way() -> None:
    text = "twinheap program 1\nB0: (body  (main ( get 0 )))  # spaces\nB1: (body (main (get 1)))\ngc S0\n"
    program = loads(text).program
    assert program.config.bodies == ("(body (main (get 0)))", "(body (main (get 1)))")
    assert dumps(program) == text.replace("(body  (main ( get 0 )))  # spaces", "(body (main (get 0)))")
    assert loads(dumps(program)).program == program


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ("B1: (body (main (get 0)))", "line 2: B1: bodies are numbered"),
        ("note: x\nB0: (body (main (gc)))", "line 3: B0: (gc): this is no expression"),
        ("B0: (body (main (get 0))", "line 2: B0: a body must be one form"),
        ("B0: (body (main (get 0)))\nB0: (body (main (get 0)))", "line 3: B0: bodies are numbered"),
        ("B0:", "line 2: B0: a body must be one form"),
    ],
)
def test_wrong_bodies_are_refused_with_their_line(lines: str, wanted: str) -> None:
    with pytest.raises(FormatError) as caught:
        loads(f"twinheap program 1\n{lines}\ngc S0\n")
    assert wanted in str(caught.value)


def test_a_header_key_is_not_the_name_of_a_body() -> None:
    with pytest.raises(ValueError, match="slot or body"):
        dumps(loads("twinheap program 1\ngc S0\n").program, {"B0": "x"})


def test_the_engine_configuration_is_written_only_if_it_is_not_the_default() -> None:
    program = read("S0: engine=pooling\ngc S0")
    assert program.config.engine == 2
    assert dumps(program) == HEAD + "S0: limit=none limiter=plain engine=pooling\ngc S0\n"
    assert read(dumps(program).removeprefix(HEAD)) == program
    assert dumps(read("S0: limit=0 engine=default\ngc S0")) == HEAD + "S0: limit=0 limiter=plain\ngc S0\n"
