"""The forms of bodies as tables: what each takes and gives, and the types (docs/bodies.md, wasm-ops.md 6.1).

`STATEMENTS` and `EXPRESSIONS` hold every form by name. A `Shape` reads like a line of docs/bodies.md: immediates in
capitals, then what the operands must be, then what the form gives. `body_types.py` holds texts to it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from twinheap.model.kit import ARRAYS, BOTTOMS, STRUCTS, TAGS, ObjectType

NUMBER_TYPES: Final = ("i32", "i64", "f32", "f64")
TAG_TYPES: Final[dict[str, ObjectType]] = {made.name: made for made in TAGS}
STRUCT_NAMES: Final = tuple(made.name for made in STRUCTS)
ARRAY_NAMES: Final = tuple(made.name for made in ARRAYS)

ABSTRACT: Final[dict[str, tuple[str, ...]]] = {
    **{top: (top,) for top in ("extern", "exn", "any", "func")},
    "eq": ("eq", "any"),
    **{name: (name, "eq", "any") for name in ("i31", "struct", "array")},
}
"""The abstract reference types but for those of `BOTTOMS`: each with those above it, itself first."""

REFERENCE_TYPES: Final = (*ABSTRACT, *STRUCT_NAMES, *ARRAY_NAMES, *BOTTOMS)
"""Every reference type by name that all bodies know; all nullable."""

NON_NULL_PREFIX: Final = "ref."
"""Before a type's name: variables, results, tables, fields and elements that are never null. What is read there is of
the type without `ref.`; what is written must not be null, or it traps, where Wasm wants proof."""


def value_type(storage: str) -> str:
    """The type of what a field of a storage type takes and gives: packed ones are i32."""
    return "i32" if storage in ("i8", "i16") else storage


class Shape(msgspec.Struct, frozen=True):
    """A form: its immediates, its operands' types, and its result's (None: a statement).

    Immediates: V and V2 variable, K global, T and T2 table, S segment, F helper, L label, N number, REF reference type,
    STRUCT, ARRAY, ARRAY2 and FUNC type, FIELD, TAG. With `!` it must be mutable. Operands: a type name; `*` anything,
    `ref` any reference, `number` any number; `same` exactly the type before it; `like` one of REF's hierarchy; `=X` the
    type of the immediate X, or several: the fields of STRUCT and TAG (`=FIELDS`), the parameters of F (`=PARAMS`), any
    number of elements (`=ELEMENTS`), the parameters of FUNC and a reference of it (`=INVOKED`). Result: a type, `=X`,
    or `=1`, the type of the first `*` or `ref` operand.
    """

    name: str
    immediates: tuple[str, ...]
    operands: tuple[str, ...]
    result: str | None


_IMMEDIATES: Final = frozenset(
    {"V", "V2", "K", "T", "T2", "S", "F", "L", "N", "REF", "STRUCT", "ARRAY", "ARRAY2", "FIELD", "TAG", "FUNC"}
)

_SHAPES: Final = """
set V =V
global.set K! =K
table.set T i32 =T
table.fill T i32 =T i32
table.copy T T2 i32 i32 i32
table.init T S i32 i32 i32
elem.drop S
struct.set STRUCT FIELD! =STRUCT =FIELD
array.set ARRAY! =ARRAY i32 =ELEMENT
array.fill ARRAY! =ARRAY i32 =ELEMENT i32
array.copy ARRAY! ARRAY2 =ARRAY i32 =ARRAY2 i32 i32
array.init_elem ARRAY! S =ARRAY i32 i32 i32
array.init_data ARRAY! =ARRAY i32 i32 i32
drop *
br L
br_if L i32
br_on_null L ref
set2 V V2 =V =V2
tail F =PARAMS
tail_ref F =PARAMS
tail_indirect F =PARAMS
throw TAG =FIELDS
throw_ref exn
unreachable
see extern
note i32
gc
clear
call F =PARAMS
call_ref F =PARAMS
call_indirect F =PARAMS
call F =PARAMS -> =F
call_ref F =PARAMS -> =F
call_indirect F =PARAMS -> =F
get V -> =V
tee V =V -> =V
null REF -> =REF
i32 N -> i32
i64 N -> i64
f32 N -> f32
f64 N -> f64
add i32 i32 -> i32
to_i32 number -> i32
i31 i32 -> i31
i31.get_s i31 -> i32
i31.get_u i31 -> i32
global.get K -> =K
table.get T i32 -> =T
table.size T -> i32
table.grow T =T i32 -> i32
select * same i32 -> =1
if_else i32 * same -> =1
struct.new STRUCT =FIELDS -> =STRUCT
struct.new_default STRUCT -> =STRUCT
struct.get STRUCT FIELD =STRUCT -> =FIELD
struct.get_s STRUCT FIELD =STRUCT -> i32
array.new ARRAY =ELEMENT i32 -> =ARRAY
array.new_default ARRAY i32 -> =ARRAY
array.new_fixed ARRAY =ELEMENTS -> =ARRAY
array.new_elem ARRAY S i32 i32 -> =ARRAY
array.new_data ARRAY i32 i32 -> =ARRAY
array.get ARRAY =ARRAY i32 -> =ELEMENT
array.get_s ARRAY =ARRAY i32 -> i32
array.len array -> i32
is_null ref -> i32
ref_eq eq eq -> i32
test REF like -> i32
cast REF like -> =REF
test_null REF like -> i32
cast_non_null REF like -> =REF
on_cast REF like =REF -> =REF
on_cast_null REF like =REF -> =REF
on_cast_fail_null REF like =REF -> =REF
on_cast_fail REF like =REF -> =REF
on_non_null ref same -> =1
as_non_null ref -> =1
to_any extern -> any
to_extern any -> extern
new -> extern
pass extern -> extern
cb extern -> extern
ref.func F -> =FUNC
invoke FUNC =INVOKED
invoke FUNC =INVOKED -> =GIVEN
tail_invoke FUNC =INVOKED
"""


def _shape(line: str) -> Shape:
    left, arrow, result = line.partition("->")
    name, *words = left.split()
    immediates = tuple(word for word in words if word.rstrip("!") in _IMMEDIATES)
    return Shape(name, immediates, tuple(words[len(immediates) :]), result.strip() if arrow else None)


def _listed() -> list[Shape]:
    return [_shape(line) for line in _SHAPES.strip().splitlines()]


CONTROL: Final = ("do", "block", "br_table", "if", "repeat", "return", "try")
"""Statements that hold statements, or otherwise fit no shape."""

STATEMENTS: Final[dict[str, Shape | None]] = {
    **{shape.name: shape for shape in _listed() if shape.result is None},
    **dict.fromkeys(CONTROL),
}
"""Every statement by name; None for those of `CONTROL`. Calls are of helpers without a result."""

EXPRESSIONS: Final[dict[str, Shape | None]] = {
    **{shape.name: shape for shape in _listed() if shape.result is not None},
    "then": None,
}
"""Every expression by name; None for `then`. Calls are of helpers with a result."""

CATCHES: Final = {
    "catch": (True, False),
    "catch_ref": (True, True),
    "catch_all": (False, False),
    "catch_all_ref": (False, True),
}
"""The catch clauses of `try`: whether each names a tag and takes its payload, and whether it takes the exception."""

CONSTANT: Final = frozenset(
    {"null", "i31", "struct.new", "struct.new_default", "array.new", "array.new_default", "array.new_fixed"}
    | {"to_any", "to_extern", "global.get", *NUMBER_TYPES}
)
"""What private globals and the items of segments are made of."""

ALLOCATES: Final = frozenset(
    {"struct.new", "struct.new_default", "array.new", "array.new_default", "array.new_fixed"}
    | {"array.new_elem", "array.new_data", "throw", "new"}
)
"""Forms that allocate."""

MAKES: Final = frozenset({"struct.new", "array.new", "array.new_fixed", "throw"})
"""Forms that make an object while their operands wait, and then write these into it."""
