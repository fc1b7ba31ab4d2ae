"""Small bodies of a form or two each: every form of the language once, and the shapes that are known to find things.

Random programs take many of theirs from here: the same few texts again and again, which executors keep compiled. Their
arguments are what the host gives: references in 0 and 1 (extern) and 2 (any), and the selector in 3.
"""

# ruff: noqa: E501 -- one body a line
from __future__ import annotations

from typing import Final

_SLOTS: Final = """
(global.set 0 (get 0)) (global.get 0)
(global.set 1 (global.get 0)) (global.set 0 (get 1)) (gc) (global.get 1)
(global.set 2 (get 2)) (gc) (to_extern (global.get 2))
(global.set 2 (to_any (get 0))) (global.set 3 (i31 (get 3))) (see (to_extern (global.get 3))) (to_extern (global.get 2))
(global.set 4 (i31 (i32 -1))) (note (i31.get_s (cast i31 (global.get 4)))) (note (i31.get_u (i31 (i32 -1)))) (get 0)
(table.set 0 (get 3) (get 0)) (gc) (table.get 0 (get 3))
(table.set 1 (get 3) (get 2)) (gc) (to_extern (table.get 1 (get 3)))
(table.fill 0 (i32 0) (get 0) (get 3)) (table.set 0 (i32 0) (get 1)) (gc) (table.get 0 (i32 1))
(table.fill 1 (i32 1) (get 2) (i32 2)) (clear) (gc) (to_extern (table.get 1 (i32 2)))
(table.copy 0 0 (i32 1) (i32 0) (i32 3)) (gc) (table.get 0 (i32 1))
(table.copy 0 0 (i32 0) (i32 1) (i32 3)) (gc) (table.get 0 (i32 0))
(table.set 0 (i32 0) (new)) (table.set 0 (i32 3) (get 0)) (table.copy 0 0 (get 3) (i32 0) (i32 2)) (table.get 0 (i32 3))
(note (table.grow 0 (get 0) (get 3))) (note (table.size 0)) (gc) (table.get 0 (i32 4))
(note (table.grow 1 (struct.new_default empty) (i32 2))) (gc) (note (test empty (table.get 1 (i32 4)))) (get 0)
"""
"""What follows `(main ...)`'s opening, one body a line: no locals, no helpers, no segments."""

_OBJECTS: Final = """
(pair) (set 4 (struct.new pair (get 0) (get 2))) (gc) (see (to_extern (struct.get pair 1 (get 4)))) (struct.get pair 0 (get 4))
(pair) (set 4 (struct.new_default pair)) (struct.set pair 0 (get 4) (get 0)) (gc) (struct.get pair 0 (get 4))
(box) (set 4 (struct.new box (get 0))) (struct.set box 0 (get 4) (get 1)) (gc) (struct.get box 0 (get 4))
(box) (set 4 (struct.new sub (get 0) (get 3))) (gc) (note (struct.get sub 1 (cast sub (get 4)))) (struct.get box 0 (get 4))
(mixed) (set 4 (struct.new mixed (i32 300) (get 0) (i64 7) (get 1))) (note (struct.get mixed 0 (get 4))) (note (to_i32 (struct.get mixed 2 (get 4)))) (struct.get mixed 3 (get 4))
(nums) (set 4 (struct.new nums (i32 -1) (i32 -1) (get 3) (i64 -1) (f32 3) (f64 5))) (note (struct.get nums 1 (get 4))) (note (to_i32 (struct.get nums 5 (get 4)))) (get 0)
(node) (repeat 9 (set 4 (struct.new node (get 4) (get 0)))) (gc) (see (struct.get node 1 (struct.get node 0 (get 4)))) (get 1)
(node) (set 4 (struct.new node (null node) (new))) (struct.set node 0 (get 4) (get 4)) (set 4 (null node)) (gc) (get 0)
(eqs) (set 4 (struct.new eqs (global.get 4) (i31 (get 3)) (global.get 5) (global.get 6))) (gc) (note (ref_eq (struct.get eqs 0 (get 4)) (global.get 4))) (get 0)
(externs) (set 4 (array.new externs (get 0) (i32 3))) (array.set externs (get 4) (i32 1) (get 1)) (gc) (array.get externs (get 4) (get 3))
(externs) (set 4 (array.new_fixed externs (get 0) (get 1) (new))) (array.copy externs externs (get 4) (i32 1) (get 4) (i32 0) (i32 2)) (gc) (array.get externs (get 4) (i32 2))
(externs) (set 4 (array.new_fixed externs (get 0) (get 1) (new))) (array.copy externs externs (get 4) (i32 0) (get 4) (i32 1) (i32 2)) (gc) (array.get externs (get 4) (i32 0))
(externs) (set 4 (array.new_default externs (i32 1000))) (array.fill externs (get 4) (i32 1) (get 0) (i32 998)) (gc) (array.get externs (get 4) (i32 500))
(anys) (set 4 (array.new_fixed anys (get 2) (i31 (get 3)) (to_any (get 0)))) (gc) (note (array.len (get 4))) (to_extern (array.get anys (get 4) (i32 2)))
(consts) (set 4 (array.new consts (get 0) (i32 2))) (gc) (array.get consts (get 4) (i32 1))
(bytes) (set 4 (array.new_data bytes (i32 3) (i32 5))) (array.init_data bytes (get 4) (i32 0) (i32 10) (i32 2)) (note (array.get bytes (get 4) (i32 1))) (get 0)
(longs) (set 4 (array.new_data longs (i32 8) (i32 2))) (gc) (note (to_i32 (array.get longs (get 4) (i32 1)))) (get 0)
(nodes) (set 4 (array.new nodes (struct.new node (null node) (get 0)) (i32 4))) (gc) (struct.get node 1 (array.get nodes (get 4) (i32 3)))
(any) (set 4 (if_else (get 3) (get 2) (to_any (get 0)))) (gc) (note (test i31 (get 4))) (to_extern (get 4))
(struct) (set 4 (on_cast struct (get 2) (global.get 5))) (gc) (note (is_null (get 4))) (to_extern (get 4))
(nums) (set 4 (struct.new nums (i32 200) (i32 40000) (get 3) (i64 0) (f32 0) (f64 0))) (note (struct.get_s nums 0 (get 4))) (note (struct.get_s nums 1 (get 4))) (get 0)
(bytes) (set 4 (array.new bytes (i32 -2) (i32 3))) (gc) (note (array.get_s bytes (get 4) (i32 0))) (get 0)
(extern) (set2 0 4 (new) (then (clear) (gc) (get 0))) (gc) (see (get 4)) (get 0)
(extern) (block (br_on_null 0 (global.get 0)) (see (global.get 0))) (set 4 (on_non_null (global.get 0) (then (gc) (get 1)))) (gc) (get 4)
(any) (set 4 (on_cast_fail struct (get 2) (on_cast_fail struct (global.get 2) (null struct)))) (gc) (to_extern (get 4))
(eq) (set 4 (cast eq (get 2))) (gc) (note (ref_eq (get 4) (global.get 4))) (to_extern (as_non_null (get 4)))
(extern) (block (set 4 (get 0)) (br_if 0 (get 3)) (set 4 (new)) (br 0) (unreachable)) (gc) (see (get 4)) (get 4)
(extern) (block (block (br_table (get 3) 0 1) (unreachable)) (set 4 (pass (get 0)))) (gc) (get 4)
(extern) (if (get 3) (do (set 4 (new)) (gc)) (do (set 4 (get 1)))) (if (is_null (get 4)) (do (return (get 0)))) (get 4)
(extern) (repeat 8 (set 4 (new)) (gc)) (see (get 4)) (null extern)
"""
"""The same with one local, variable 4, whose type begins the line."""

_WHOLE: Final = """
(body (rec (struct t0 (open) i64 ref.t1) (array t1 const.any)) (rec (struct t2 (sub t0) i64 ref.t1 extern)) (main (local t0 t2) (set 4 (struct.new t2 (i64 7) (array.new t1 (get 2) (i32 3)) (new))) (clear) (gc) (set 5 (cast t2 (get 4))) (note (to_i32 (struct.get t0 0 (get 4)))) (see (to_extern (array.get t1 (struct.get t0 1 (get 4)) (i32 2)))) (struct.get t2 2 (get 5))))
(body (rec (struct t0 (open) i64 ref.t1) (array t1 const.any)) (main (note (test t0 (global.get 5))) (note (test t1 (global.get 6))) (global.set 5 (struct.new t0 (i64 1) (array.new_fixed t1 (to_any (get 0)) (get 2)))) (global.set 6 (struct.get t0 1 (cast t0 (global.get 5)))) (gc) (to_extern (array.get t1 (cast t1 (global.get 6)) (i32 0)))))
(body (rec (array t1 const.any) (struct t0 (open) i64 ref.t1)) (main (note (test t0 (global.get 5))) (note (test t1 (global.get 6))) (global.set 6 (array.new t1 (to_any (new)) (i32 2))) (gc) (to_extern (array.get t1 (cast t1 (global.get 6)) (i32 1)))))
(body (rec (struct t0 ref.extern ref.eq i32)) (main (global.set 5 (struct.new t0 (new) (i31 (i32 3)) (get 3))) (gc) (struct.get t0 0 (cast t0 (global.get 5)))))
(body (rec (array t0 ref.any)) (main (global.set 6 (array.new t0 (i31 (get 3)) (i32 3))) (gc) (to_extern (array.get t0 (cast t0 (global.get 6)) (i32 2)))))
(body (rec (struct t0 (open) ref.struct) (struct t1 (sub t0) ref.struct ref.t0)) (main (global.set 2 (struct.new t1 (struct.new_default empty) (struct.new t0 (struct.new_default box)))) (gc) (note (test t1 (global.get 2))) (global.set 5 (struct.get t0 0 (cast t0 (global.get 2)))) (null extern)))
(body (rec (struct t0 (open) i8)) (rec (struct t1 (sub t0) (open) i8 extern)) (rec (struct t2 (sub t1) (open) i8 extern i64)) (rec (struct t3 (sub t2) i8 extern i64 any)) (main (local t0) (repeat 3 (set 4 (struct.new t3 (i32 200) (new) (i64 5) (to_any (new)))) (gc) (drop (struct.new_default t3))) (see (to_extern (struct.get t3 3 (cast_non_null t3 (get 4))))) (note (struct.get_s t0 0 (get 4))) (struct.get t1 1 (on_cast t1 (get 4) (null t1)))))
(body (func (param none extern) (result any) (gc) (see (get 1)) (get 0)) (main (local noextern none) (note (test_null none (get 2))) (note (is_null (call 0 (get 5) (new)))) (get 4)))
(body (rec (func t0 (param extern) (result extern)) (struct t1 func t0 extern)) (func (type t0) (param extern) (result extern) (clear) (gc) (see (get 0)) (get 0)) (func (param extern) (note (i32 1)) (see (get 0))) (main (local t1 extern) (set 4 (struct.new t1 (ref.func 1) (ref.func 0) (new))) (gc) (set 5 (invoke t0 (new) (struct.get t1 1 (get 4)))) (gc) (note (test t0 (struct.get t1 0 (get 4)))) (see (get 5)) (struct.get t1 2 (get 4))))
(body (rec (func t0 (param extern any)) (func t1 (param t0 extern) (result extern))) (table t0 1 2 (null t0)) (func (type t0) (param extern any) (gc) (see (get 0)) (see (to_extern (get 1)))) (func (type t1) (param t0 extern) (result extern) (invoke t0 (get 1) (i31 (i32 5)) (get 0)) (get 1)) (main (table.set 2 (i32 0) (ref.func 0)) (see (invoke t1 (table.get 2 (i32 0)) (new) (ref.func 1))) (tail_invoke t1 (null t0) (new) (ref.func 1)) (null extern)))
(body (main (global.set 0 (new)) (global.set 1 (get 0)) (pass (select (global.get 0) (global.get 1) (then (clear) (gc) (get 3))))))
(body (main (local pair) (global.set 0 (new)) (global.set 1 (new)) (set 4 (struct.new pair (select (global.get 0) (global.get 1) (get 3)) (then (clear) (gc) (null any)))) (struct.get pair 0 (get 4))))
(body (main (local pair extern) (global.set 0 (new)) (set 4 (struct.new pair (global.get 0) (then (clear) (gc) (set 5 (new)) (get 2)))) (see (get 5)) (struct.get pair 0 (get 4))))
(body (segment eq (struct.new_default empty) (i31 (i32 3))) (main (local anys) (set 4 (array.new_fixed anys (array.new_elem anys 0 (i32 0) (i32 2)) (then (gc) (array.new_elem anys 0 (i32 0) (i32 1))))) (gc) (note (ref_eq (cast eq (array.get anys (cast anys (array.get anys (get 4) (i32 0))) (i32 0))) (cast eq (array.get anys (cast anys (array.get anys (get 4) (i32 1))) (i32 0))))) (get 0)))
(body (main (local bytes bytes) (set2 4 5 (array.new_data bytes (i32 0) (i32 8)) (then (gc) (array.new_data bytes (i32 20) (i32 8)))) (note (ref_eq (get 4) (get 5))) (note (array.get bytes (get 4) (i32 7))) (get 0)))
(body (segment eq (i31 (i32 3)) (null eq)) (main (local anys anys) (set2 4 5 (array.new_elem anys 0 (i32 0) (i32 2)) (then (gc) (array.new_elem anys 0 (i32 0) (i32 2)))) (note (ref_eq (get 4) (get 5))) (to_extern (array.get anys (get 4) (i32 0)))))
(body (main (local anys) (set 4 (array.new_fixed anys (array.new_data bytes (i32 0) (i32 8)) (then (gc) (array.new_data bytes (i32 0) (i32 8))))) (note (array.get bytes (cast bytes (array.get anys (get 4) (i32 0))) (i32 7))) (get 0)))
(body (segment eq (struct.new_default empty) (i31 (i32 3))) (main (table.init 1 0 (i32 0) (i32 0) (i32 2)) (gc) (table.init 1 0 (i32 2) (i32 0) (i32 2)) (note (ref_eq (cast eq (table.get 1 (i32 0))) (cast eq (table.get 1 (i32 2))))) (elem.drop 0) (table.init 1 0 (i32 0) (i32 0) (get 3)) (get 0)))
(body (segment eq (struct.new_default box) (null eq)) (main (local anys) (set 4 (array.new_default anys (i32 3))) (array.init_elem anys 0 (get 4) (i32 1) (i32 0) (i32 2)) (gc) (note (test box (array.get anys (get 4) (i32 1)))) (get 0)))
(body (main (global.set 0 (new)) (table.fill 0 (i32 2) (global.get 0) (i32 2)) (table.fill 0 (i32 1) (get 0) (add (get 3) (i32 3))) (table.get 0 (i32 3))))
(body (main (local externs) (set 4 (array.new externs (get 0) (i32 3))) (global.set 6 (get 4)) (array.fill externs (get 4) (i32 1) (get 1) (add (get 3) (i32 2))) (array.get externs (get 4) (i32 2))))
(body (const box (struct.new_default box)) (global any (struct.new pair (null extern) (global.get 7))) (global extern (null extern)) (main (gc) (note (ref_eq (cast eq (struct.get pair 1 (cast pair (global.get 8)))) (global.get 7))) (see (global.get 9)) (struct.set box 0 (global.get 7) (get 0)) (global.set 9 (struct.get box 0 (global.get 7))) (gc) (global.get 9)))
(body (global node (struct.new node (struct.new node (null node) (null extern)) (null extern))) (global anys (array.new_fixed anys (array.new_default bytes (i32 100)) (struct.new_default empty))) (main (global.set 7 (struct.new node (global.get 7) (get 0))) (gc) (note (test bytes (array.get anys (global.get 8) (i32 0)))) (struct.get node 1 (global.get 7))))
(body (const eq (struct.new_default empty)) (active 1 1 eq (global.get 7) (array.new anys (global.get 7) (i32 3))) (segment eq (global.get 7) (struct.new_default empty)) (main (gc) (note (ref_eq (cast eq (table.get 1 (i32 1))) (global.get 7))) (table.init 1 0 (i32 1) (i32 0) (i32 2)) (note (ref_eq (cast eq (table.get 1 (i32 1))) (global.get 7))) (see (to_extern (table.get 1 (i32 2)))) (get 0)))
(body (global array (array.new_default longs (i32 100))) (active 1 3 any (struct.new box (null extern)) (i31 (i32 5))) (main (get 0)))
(body (func (param extern) (result extern) (gc) (get 0)) (main (call 0 (get 0))))
(body (func (param extern any) (result extern) (clear) (gc) (see (to_extern (get 1))) (get 0)) (main (global.set 0 (new)) (global.set 2 (get 2)) (call_ref 0 (global.get 0) (global.get 2))))
(body (func (param extern) (result extern) (gc) (get 0)) (main (call_indirect 0 (call 0 (new)))))
(body (func (param extern) (result extern) (gc) (get 0)) (main (if (get 3) (do (tail_ref 0 (get 1)))) (tail 0 (new)) (null extern)))
(body (func (param extern extern extern extern extern extern extern) (result extern) (gc) (see (get 6)) (get 0)) (main (tail_indirect 0 (new) (get 0) (get 1) (new) (get 0) (get 1) (new)) (null extern)))
(body (func (param extern extern extern extern extern extern extern extern extern extern any any any any any eq struct array extern extern) (result extern) (clear) (gc) (see (get 9)) (see (to_extern (get 14))) (see (get 18)) (get 19)) (main (global.set 0 (new)) (tail 0 (get 0) (get 1) (get 0) (get 1) (get 0) (get 1) (get 0) (get 1) (get 0) (global.get 0) (get 2) (get 2) (get 2) (get 2) (get 2) (global.get 4) (global.get 5) (global.get 6) (new) (new)) (null extern)))
(body (func (param extern i32) (gc) (if (get 1) (do (return))) (see (get 0))) (main (call 0 (get 0) (get 3)) (call_ref 0 (get 1) (i32 0)) (get 0)))
(body (main (local extern) (try (catch one 4) (throw one (get 0))) (gc) (get 4)))
(body (main (local extern any exn) (try (catch_ref two 5 4 6) (throw two (get 2) (new))) (gc) (see (to_extern (get 5))) (get 4)))
(body (main (local extern exn) (try (catch_all_ref 5) (throw one (new))) (gc) (try (catch one 4) (throw_ref (get 5))) (gc) (get 4)))
(body (main (local extern) (try (catch_all) (try (catch nothing) (throw one (get 0))) (unreachable)) (gc) (if (get 3) (do (throw nothing))) (get 0)))
(body (main (global.set 0 (new)) (if (get 3) (do (throw one (select (global.get 0) (get 0) (then (clear) (gc) (i32 1)))))) (get 0)))
(body (func (param extern) (gc) (throw one (get 0))) (main (local extern) (try (catch one 4) (call 0 (new))) (gc) (see (get 4)) (call 0 (get 0)) (get 1)))
(body (main (local externs externs) (set 4 (array.new_default externs (i32 4000))) (set 4 (null externs)) (gc) (repeat 20 (set 5 (array.new externs (get 0) (i32 100)))) (array.get externs (get 5) (i32 99))))
(body (main (local extern) (set 4 (new)) (drop (new)) (gc) (repeat 3 (drop (new)) (drop (struct.new_default empty)) (drop (array.new_default bytes (i32 4)))) (see (get 4)) (table.set 0 (i32 3) (tee 4 (new))) (get 4)))
(body (main (if (get 3) (do (drop (array.new_data bytes (i32 60) (i32 5))))) (see (get 0)) (get 0)))
(body (main (if (get 3) (do (drop (array.new_default longs (i32 -1))))) (see (get 0)) (get 0)))
(body (main (see (get 0)) (drop (cast array (if_else (get 3) (get 2) (null any)))) (get 0)))
(body (main (try (catch nothing) (throw nothing)) (if (get 3) (do (drop (array.new_data longs (i32 60) (i32 1))))) (get 0)))
(body (main (try (catch nothing) (throw nothing)) (if (get 3) (do (drop (array.new_default longs (i32 -1))))) (get 0)))
(body (main (local externs) (try (catch nothing) (throw nothing)) (repeat 30 (set 4 (array.new_default externs (i32 4000)))) (get 0)))
(body (main (try (catch nothing) (throw nothing)) (drop (cast array (if_else (get 3) (get 2) (null any)))) (get 0)))
(body (main (try (catch nothing) (throw nothing)) (see (get 1)) (if (get 3) (do (unreachable))) (get 0)))
(body (func (far) (param extern) (result extern) (global.set 0 (get 0)) (gc) (global.get 0)) (main (global.set 0 (new)) (see (call 0 (new))) (gc) (see (global.get 0)) (get 0)))
(body (func (far) (param extern extern extern extern extern extern extern) (result extern) (gc) (see (get 6)) (get 0)) (main (tail 0 (new) (get 0) (get 1) (new) (get 0) (get 1) (new)) (null extern)))
(body (func (far) (param extern any) (result extern) (clear) (gc) (see (to_extern (get 1))) (get 0)) (main (global.set 0 (new)) (global.set 2 (get 2)) (see (call_ref 0 (global.get 0) (global.get 2))) (call_indirect 0 (get 0) (get 2))))
(body (func (far) (param extern) (result extern) (gc) (get 0)) (func (far) (param extern) (result extern) (tail_indirect 0 (get 0)) (null extern)) (func (param extern) (result extern) (tail_ref 1 (table.get 0 (i32 0))) (null extern)) (main (table.set 0 (i32 0) (get 0)) (call 2 (new))))
(body (main (local box) (set 4 (struct.new box (get 0))) (gc) (note (test_null box (null any))) (note (test_null pair (get 4))) (see (struct.get box 0 (cast_non_null box (get 4)))) (note (is_null (on_cast_null pair (null any) (null pair)))) (note (is_null (on_cast_fail_null box (get 4) (null box)))) (see (to_extern (on_cast_null box (get 2) (get 4)))) (get 1)))
(body (func (far) (param extern) (gc) (throw one (get 0))) (main (local extern exn) (try (catch_all_ref 5) (call 0 (new))) (gc) (try (catch one 4) (throw_ref (get 5))) (see (get 4)) (get 4)))
(body (func (far) (param exn) (result extern) (local extern) (try (catch one 1) (throw_ref (get 0))) (gc) (get 1)) (main (local extern exn) (try (catch_all_ref 5) (throw one (new))) (drop (struct.new_default empty)) (set 4 (call 0 (get 5))) (see (get 4)) (get 4)))
"""
"""Whole bodies."""


def _made() -> tuple[str, ...]:
    texts = [f"(body (main {line}))" for line in _SLOTS.strip().splitlines()]
    for line in _OBJECTS.strip().splitlines():
        type_, rest = line.split(" ", 1)
        texts.append(f"(body (main (local {type_[1:-1]}) {rest}))")
    return (*texts, *_WHOLE.strip().splitlines())


KIT_BODIES: Final = _made()
"""The texts."""

SIMPLE_BODIES: Final = (
    "(body (main (global.set 0 (get 0)) (global.get 0)))",
    "(body (main (local pair) (set 4 (struct.new pair (new) (get 2))) (gc) (struct.get pair 0 (get 4))))",
    "(body (main (global.set 0 (new)) (if (get 3) (do (throw one (get 0)))) (gc) (global.get 0)))",
)
"""For counterexamples that people read: what it is to store, to make and to throw; the last needs exceptions."""

CALLING_BODIES: Final = tuple(
    """
(body (main (cb (get 0))))
(body (main (local extern) (set 4 (cb (new))) (gc) (see (get 4)) (get 4)))
(body (main (local extern extern) (set 4 (new)) (set 5 (cb (get 0))) (see (get 4)) (gc) (see (get 5)) (cb (get 4))))
(body (main (global.set 0 (new)) (cb (select (global.get 0) (get 0) (then (clear) (get 3))))))
(body (main (local pair) (set 4 (struct.new pair (new) (then (drop (cb (get 0))) (get 2)))) (see (struct.get pair 0 (get 4))) (to_extern (get 4))))
(body (main (local pair) (set 4 (struct.new pair (get 0) (to_any (cb (to_extern (struct.new_default empty)))))) (gc) (to_extern (struct.get pair 1 (get 4)))))
(body (main (local anys) (set 4 (array.new_fixed anys (to_any (new)) (to_any (cb (get 1))) (to_any (new)))) (see (to_extern (array.get anys (get 4) (i32 0)))) (to_extern (array.get anys (get 4) (get 3)))))
(body (main (global.set 0 (get 0)) (global.set 2 (get 2)) (drop (cb (to_extern (get 2)))) (see (global.get 0)) (to_extern (global.get 2))))
(body (main (table.set 0 (i32 1) (new)) (table.set 0 (get 3) (cb (table.get 0 (i32 1)))) (gc) (table.get 0 (i32 1))))
(body (main (local extern) (repeat 3 (set 4 (cb (tee 4 (new)))) (gc)) (see (get 4)) (get 4)))
(body (func (param extern extern) (result extern) (drop (cb (get 1))) (gc) (see (get 0)) (get 1)) (main (tail 0 (new) (cb (get 0))) (null extern)))
(body (func (param extern) (result extern) (gc) (cb (get 0))) (main (local extern) (set 4 (new)) (drop (call_ref 0 (get 4))) (see (get 4)) (get 1)))
(body (func (param extern extern extern extern extern extern extern extern) (result extern) (gc) (see (get 7)) (see (get 1)) (get 0)) (main (tail 0 (new) (get 0) (get 1) (new) (get 0) (get 1) (new) (cb (new))) (null extern)))
(body (main (if (get 3) (do (drop (cb (null extern))))) (unreachable) (get 0)))
(body (main (local extern) (try (catch one 4) (throw one (cb (new)))) (gc) (see (get 4)) (get 4)))
(body (main (local extern extern) (set 5 (new)) (try (catch one 4) (drop (cb (get 5))) (throw one (get 5))) (gc) (see (get 4)) (cb (get 4))))
(body (main (local extern exn) (try (catch_all_ref 5) (throw one (new))) (drop (cb (get 0))) (try (catch one 4) (throw_ref (get 5))) (gc) (see (get 4)) (get 4)))
(body (main (throw one (cb (new))) (null extern)))
(body (main (try (catch nothing) (throw nothing)) (drop (cb (get 0))) (block (block (block (br_table (get 3) 0 1 2)) (drop (array.get bytes (array.new_default bytes (i32 1)) (i32 1)))) (drop (table.get 0 (i32 100)))) (drop (struct.get box 0 (null box))) (get 1)))
(body (main (drop (cb (get 0))) (block (block (block (br_table (get 3) 0 1 2)) (drop (array.get bytes (array.new_default bytes (i32 1)) (i32 1)))) (drop (table.get 0 (i32 100)))) (drop (struct.get box 0 (null box))) (get 1)))
(body (main (try (catch nothing) (throw nothing)) (repeat 30 (drop (array.new_default longs (i32 2000)))) (cb (get 0))))
(body (main (drop (cb (get 0))) (block (block (block (br_table (get 3) 0 1 2)) (drop (cast array (struct.new_default empty)))) (drop (array.new_data bytes (i32 60) (i32 5)))) (drop (array.new_default longs (i32 -1))) (get 1)))
(body (main (try (catch nothing) (throw nothing)) (drop (cb (get 0))) (block (block (block (br_table (get 3) 0 1 2)) (drop (cast array (struct.new_default empty)))) (drop (array.new_data bytes (i32 60) (i32 5)))) (drop (array.new_default longs (i32 -1))) (get 1)))
(body (main (try (catch nothing) (throw nothing)) (drop (cb (get 0))) (block (block (block (br_table (get 3) 0 1 2)) (drop (struct.get box 0 (null box)))) (unreachable)) (repeat 30 (drop (array.new_default longs (i32 2000)))) (get 1)))
(body (main (repeat 30 (drop (array.new_default longs (i32 2000)))) (cb (get 0))))
(body (main (try (catch nothing) (throw nothing)) (drop (cb (get 0))) (to_extern (i31 (get 3)))))
(body (main (local extern) (set 4 (new)) (try (catch_all) (drop (cb (get 0)))) (gc) (see (get 4)) (get 4)))
(body (main (local extern extern) (try (catch one 4) (set 5 (cb (new)))) (gc) (see (get 4)) (see (get 5)) (get 4)))
(body (main (local extern any exn) (set 4 (get 0)) (try (catch_ref two 5 4 6) (set 4 (cb (get 4)))) (gc) (see (to_extern (get 5))) (throw_ref (get 6)) (null extern)))
(body (main (local extern exn) (try (catch_all_ref 5) (set 4 (cb (new)))) (gc) (try (catch one 4) (throw_ref (get 5))) (see (get 4)) (get 4)))
(body (main (local pair) (set 4 (struct.new pair (new) (get 2))) (try (catch one 0) (try (catch nothing) (global.set 0 (cb (struct.get pair 0 (get 4)))))) (gc) (see (get 0)) (struct.get pair 0 (get 4))))
(body (func (param extern) (result extern) (local extern) (set 1 (new)) (try (catch_all) (return (cb (get 0)))) (see (get 1)) (get 1)) (main (local extern) (set 4 (call 0 (new))) (gc) (see (get 4)) (get 4)))
(body (main (local extern exn) (repeat 3 (try (catch_all_ref 5) (throw one (cb (new)))) (gc)) (try (catch one 4) (throw_ref (get 5))) (see (get 4)) (get 4)))
(body (main (if (get 3) (do (throw one (new)))) (cb (new))))
(body (func (far) (param extern) (result extern) (local extern) (set 1 (new)) (drop (cb (get 0))) (gc) (see (get 1)) (get 0)) (main (local extern) (set 4 (new)) (drop (call 0 (get 4))) (see (get 4)) (get 0)))
(body (func (far) (param extern) (result extern) (global.set 0 (get 0)) (cb (new))) (main (local extern) (try (catch_all) (set 4 (call_ref 0 (new)))) (gc) (see (get 4)) (global.get 0)))
""".strip().splitlines()
)
"""The same of bodies that call back."""
