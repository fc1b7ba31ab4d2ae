"""Bodies as modules: every form of docs/bodies.md gives a valid module."""

from __future__ import annotations

import pytest
import wasmtime

from twinheap.model.body import MAX_DEPTH, dumps, parse
from twinheap.model.wat import kit_module, module

STATEMENTS = """
(set 6 (i32 3))
(global.set 0 (get 0))
(global.set 4 (i31 (i32 5)))
(global.set 8 (global.get 7))
(table.set 0 (i32 1) (get 0))
(table.fill 1 (i32 0) (get 2) (i32 2))
(table.copy 0 0 (i32 1) (i32 0) (i32 2))
(table.init 1 0 (i32 1) (i32 0) (i32 1))
(elem.drop 0)
(struct.set nums 0 (struct.new_default nums) (i32 300))
(struct.set node 0 (struct.new_default node) (null node))
(struct.set box 0 (struct.new_default sub) (get 0))
(array.set externs (array.new_default externs (i32 2)) (i32 1) (get 0))
(array.set bytes (array.new_default bytes (i32 2)) (i32 1) (i32 300))
(array.fill longs (array.new_default longs (i32 2)) (i32 0) (i64 -1) (i32 2))
(array.copy anys nodes (array.new_default anys (i32 2)) (i32 0) (array.new_default nodes (i32 2)) (i32 0) (i32 2))
(array.init_elem anys 0 (array.new_default anys (i32 2)) (i32 0) (i32 0) (i32 2))
(array.init_data bytes (array.new_default bytes (i32 2)) (i32 0) (i32 62) (i32 2))
(array.init_data longs (array.new_default longs (i32 2)) (i32 0) (i32 0) (i32 2))
(drop (get 0))
(do)
(do (gc) (clear))
(block (gc) (br 0))
(block (block (br 1)) (gc))
(block (br_if 0 (get 3)) (gc))
(block (br_on_null 0 (get 2)) (gc))
(set2 0 5 (new) (get 2))
(set2 6 0 (i32 1) (new))
(block (block (block (br_table (get 3) 0 1 2)) (note (i32 0))) (note (i32 1)))
(if (get 3) (do (gc)))
(if (get 3) (do (gc)) (do (note (i32 1))))
(if (get 3) (block (br 0)) (see (get 0)))
(repeat 3 (gc))
(repeat 3 (repeat 2 (note (get 3))) (repeat 4 (gc)))
(block (repeat 3 (if (get 3) (do (br 0))) (block (br 1))))
(return (get 0))
(tail 1 (get 0) (i32 3))
(tail_ref 1 (get 0) (i32 3))
(tail_indirect 1 (get 0) (i32 3))
(throw one (get 0))
(throw two (get 2) (get 0))
(throw nothing)
(throw_ref (null exn))
(try (catch one 1) (throw one (get 0)))
(try (catch two 2 0) (throw two (get 2) (get 0)))
(try (catch nothing) (throw nothing))
(try (catch_ref two 2 0 7) (throw two (get 2) (get 0)))
(try (catch_ref nothing 7) (throw nothing))
(try (catch_all) (throw nothing) (gc))
(try (catch_all_ref 7) (try (catch one 0) (throw nothing)))
(block (try (catch_all) (block (br 1))))
(try (catch_all) (return (get 0)))
(try (catch_all) (tail 1 (get 0) (i32 1)))
(unreachable)
(see (get 0))
(note (get 3))
(gc)
(clear)
(call 0)
(call_ref 0)
(call_indirect 0)
"""

EXPRESSIONS = """
extern (get 0)
i32 (tee 6 (i32 3))
exn (null exn)
node (null node)
bytes (null bytes)
i64 (i64 -2147483648)
f32 (f32 2147483647)
f64 (f64 -3)
i32 (add (i32 1) (i32 -2147483648))
i32 (to_i32 (i32 3))
i32 (to_i32 (i64 -3))
i32 (to_i32 (f32 2147483647))
i32 (to_i32 (f64 -2147483648))
i31 (i31 (i32 3))
i32 (i31.get_s (i31 (i32 -1)))
i32 (i31.get_u (i31 (i32 -1)))
any (global.get 2)
box (global.get 7)
array (global.get 6)
any (table.get 1 (i32 0))
i32 (table.size 0)
i32 (table.grow 0 (get 0) (i32 1))
extern (select (get 0) (get 1) (get 3))
node (select (null node) (struct.new node (null node) (get 0)) (get 3))
i32 (select (i32 1) (i32 2) (get 3))
i31 (if_else (get 3) (i31 (i32 1)) (i31 (i32 2)))
f64 (if_else (get 3) (f64 1) (f64 2))
externs (then (gc) (clear) (array.new externs (get 0) (i32 2)))
i32 (then (unreachable) (i32 3))
sub (struct.new sub (get 0) (i32 1))
nums (struct.new nums (i32 1) (i32 2) (i32 3) (i64 4) (f32 5) (f64 6))
eqs (struct.new eqs (array.new_default bytes (i32 1)) (i31 (i32 0)) (null eqs) (null externs))
empty (struct.new_default empty)
i32 (struct.get nums 0 (struct.new_default nums))
i32 (struct.get nums 1 (struct.new_default nums))
i32 (struct.get_s nums 1 (struct.new_default nums))
i32 (array.get_s bytes (array.new_default bytes (i32 3)) (i32 0))
i64 (struct.get nums 3 (struct.new_default nums))
f32 (struct.get nums 4 (struct.new_default nums))
node (struct.get node 0 (struct.new_default node))
struct (struct.get eqs 2 (struct.new_default eqs))
extern (struct.get box 0 (struct.new_default sub))
consts (array.new consts (get 0) (i32 3))
nodes (array.new_default nodes (i32 3))
anys (array.new_fixed anys (get 2) (i31 (i32 0)))
bytes (array.new_fixed bytes)
anys (array.new_elem anys 0 (i32 0) (i32 1))
bytes (array.new_data bytes (i32 0) (i32 64))
longs (array.new_data longs (i32 0) (i32 8))
i32 (array.get bytes (array.new_default bytes (i32 3)) (i32 0))
i64 (array.get longs (array.new_default longs (i32 3)) (i32 0))
extern (array.get consts (array.new_default consts (i32 3)) (i32 0))
i32 (array.len (array.new_default consts (i32 3)))
i32 (array.len (null array))
i32 (is_null (get 0))
i32 (ref_eq (null node) (i31 (i32 0)))
i32 (test box (get 2))
i32 (test struct (get 2))
i32 (test i31 (null eq))
sub (cast sub (get 2))
eq (cast eq (get 2))
array (cast array (global.get 4))
box (on_cast box (get 2) (struct.new_default sub))
box (on_cast_fail box (get 2) (struct.new_default sub))
any (on_cast_fail any (get 2) (i31 (i32 1)))
extern (on_non_null (get 0) (get 1))
box (on_non_null (null box) (null box))
i31 (on_cast i31 (null eqs) (i31 (i32 1)))
any (on_cast any (get 2) (i31 (i32 1)))
node (as_non_null (null node))
any (to_any (get 0))
extern (to_extern (i31 (i32 0)))
extern (new)
extern (pass (get 0))
extern (call 1 (get 0) (i32 1))
extern (call_ref 1 (get 0) (i32 1))
extern (call_indirect 1 (get 0) (i32 1))
"""

PARTS = """
(const box (struct.new sub (null extern) (i32 7)))
(global any (array.new_fixed anys (global.get 7) (i31 (i32 1))))
(active 1 2 eq (global.get 7) (struct.new_default empty))
(active 0 0 extern (null extern))
(segment eq (struct.new_default empty) (i31 (i32 3)) (null eq) (array.new_fixed bytes (i32 1)))
(segment extern (null extern) (to_extern (i31 (i32 3))))
(func (gc))
(func (param extern i32) (result extern) (local any) (set 2 (to_any (get 0))) (see (get 0)) (to_extern (get 2)))
"""


def body(*main: str, parts: str = PARTS) -> str:
    """A body whose variables 4 to 7 are extern, any, i32 and exn; its text as it is stored."""
    return dumps(parse(f"(body {parts} (main (local extern any i32 exn) {' '.join(main)}))"))


@pytest.fixture(scope="module")
def engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.wasm_gc = True
    config.wasm_function_references = True
    config.wasm_exceptions = True
    config.wasm_tail_call = True
    return wasmtime.Engine(config)


def compiled(engine: wasmtime.Engine, text: str) -> wasmtime.Module:
    written = module(text)
    try:
        return wasmtime.Module(engine, wasmtime.wat2wasm(written))
    except wasmtime.WasmtimeError as error:
        raise AssertionError(f"{error}\n{written}") from None


@pytest.mark.parametrize("statement", STATEMENTS.strip().splitlines())
def test_every_statement_is_valid(engine: wasmtime.Engine, statement: str) -> None:
    compiled(engine, body(statement, "(get 0)"))


@pytest.mark.parametrize("line", EXPRESSIONS.strip().splitlines())
def test_every_expression_is_valid_and_has_its_type(engine: wasmtime.Engine, line: str) -> None:
    of, expression = line.split(" ", 1)
    helper = f"(func (param extern extern any i32) (result {of}) (local extern any i32 exn) {expression})"
    compiled(engine, body("(get 0)", parts=PARTS + helper))
    # Dead code has types as well: whatever can be written behind a jump stays valid there.
    compiled(engine, body("(gc)", "(unreachable)", f"(drop {expression})", "(get 0)"))


@pytest.mark.parametrize(
    "jump", ["(return (get 0))", "(br 0)", "(throw nothing)", "(unreachable)", "(tail 1 (get 0) (i32 1))"]
)
@pytest.mark.parametrize("statement", STATEMENTS.strip().splitlines())
def test_code_behind_a_jump_is_valid(engine: wasmtime.Engine, jump: str, statement: str) -> None:
    compiled(engine, body(f"(block {jump} {statement})", "(get 0)"))
    compiled(engine, body(f"(block (drop (then {jump} {statement} (i32 1))))", "(get 0)"))


def test_all_statements_in_one_function(engine: wasmtime.Engine) -> None:
    compiled(engine, body(*STATEMENTS.strip().splitlines(), "(get 0)"))


def test_nesting_up_to_the_limit(engine: wasmtime.Engine) -> None:
    deep = MAX_DEPTH - 4
    statement, expression = "(gc)", "(get 0)"
    for _ in range(deep // 2):
        statement = f"(block (repeat 2 {statement}))"
    for _ in range(deep):
        expression = f"(then (gc) {expression})"
    compiled(engine, body(statement, expression))
    statement = "(gc)"
    for _ in range(deep // 2):
        statement = f"(try (catch_all) (if (get 3) {statement}))"
    compiled(engine, body(statement, "(get 0)"))


def test_a_module_imports_only_what_it_uses(engine: wasmtime.Engine) -> None:
    def imports(*main: str) -> list[str | None]:
        return [f"{found.module} {found.name}" for found in compiled(engine, body(*main, parts="")).imports]

    assert imports("(get 0)") == []
    assert imports("(global.set 3 (get 2))", "(see (get 0))", "(get 0)") == ["kit g3", "host see"]
    assert imports("(try (catch one 0) (gc))", "(table.get 0 (i32 0))") == ["host gc", "kit t0", "kit tag0"]


@pytest.mark.parametrize("exceptions", [False, True])
def test_the_kit_has_what_bodies_import(engine: wasmtime.Engine, exceptions: bool) -> None:
    kit = wasmtime.Module(engine, wasmtime.wat2wasm(kit_module(exceptions)))
    names = [export.name for export in kit.exports]
    assert names == [*(f"g{at}" for at in range(7)), "t0", "t1", *(["tag0", "tag1", "tag2"] if exceptions else [])]
