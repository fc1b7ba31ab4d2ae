"""The code of a body as Wasm in the text format: statements and expressions (docs/bodies.md).

A body is nearly Wasm in folded form already: most forms are one instruction with other immediates, which a table
says. What is more than that has a method: control flow, calls, and the forms whose type the text format wants to know.
Used by `wat.py`, which makes modules of it. Implements docs/spec/wasm-ops.md 6.2 to 6.5.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

from twinheap.model.body import Tree
from twinheap.model.body_forms import NON_NULL_PREFIX
from twinheap.model.declared import KIT_ONLY, Types, is_declared
from twinheap.model.kit import ARRAYS, KIT_GLOBALS, KIT_TABLES, STRUCTS, TAGS

KIT_TYPES: Final = frozenset(made.name for made in (*STRUCTS, *ARRAYS))
"""The names of the object types of the kit."""

HOST: Final = {
    "see": " (param externref)",
    "note": " (param i32)",
    "gc": "",
    "clear": "",
    "new": " (result externref)",
    "pass": " (param externref) (result externref)",
    "cb": " (param externref) (result externref)",
}
"""The host functions that a body may import from "host", with their types in the text format."""

TAG_TYPES: Final = {tag.name: tuple(field.storage for field in tag.fields) for tag in TAGS}
"""The types of each tag's payload, by the tag's name."""

WIDE: Final = "table64"
"""The declaration of a table whose indexes have 64 bits."""

_TAGS: Final = tuple(TAG_TYPES)
_NUMBERS: Final = ("i32", "i64", "f32", "f64")
_PACKED: Final = ("i8", "i16")

# Forms that are one instruction: its name, the kinds of the immediates that come first (`v` variable, `k` global, `t`
# table, `s` segment, `y` type, `f` field, `g` tag), and the type: of the variable, global, table, type, field, or of
# operand 0 (`0`), or by name.
_PLAIN: Final = {
    name: (instruction, kinds.strip("-"), of.strip("-"))
    for name, instruction, kinds, of in (
        line.split()
        for line in """
set local.set v -
get local.get v v
tee local.tee v v
global.set global.set k -
global.get global.get k k
table.set table.set t -
table.get table.get t t
table.fill table.fill t -
table.copy table.copy tt -
table.init table.init ts -
table.size table.size t i32
table.grow table.grow t i32
elem.drop elem.drop s -
struct.new struct.new y y
struct.new_default struct.new_default y y
struct.get struct.get yf f
struct.set struct.set yf -
array.new array.new y y
array.new_default array.new_default y y
array.new_elem array.new_elem ys y
array.get array.get y e
array.set array.set y -
array.fill array.fill y -
array.copy array.copy yy -
array.init_elem array.init_elem ys -
array.len array.len - i32
drop drop - -
unreachable unreachable - -
throw throw g -
throw_ref throw_ref - -
add i32.add - i32
i31 ref.i31 - i31
i31.get_s i31.get_s - i32
i31.get_u i31.get_u - i32
is_null ref.is_null - i32
ref_eq ref.eq - i32
as_non_null ref.as_non_null - 0
to_any any.convert_extern - any
to_extern extern.convert_any - extern
""".strip().splitlines()
    )
}

_FIELDS: Final = {"struct.set": 1, "array.new": 0, "array.set": 2, "array.fill": 2}
"""The operands that become a field or an element; of `struct.new` it is all."""

_ELEMENTS: Final = {"table.set": 1, "table.fill": 1, "table.grow": 0}
"""The operands that become elements of a table."""

_TO_I32: Final = {"i32": "", "i64": "i32.wrap_i64", "f32": "i32.trunc_sat_f32_s", "f64": "i32.trunc_sat_f64_s"}

Code = tuple[str, str]
"""The text of a statement or expression, and the name of its type, empty if it has none."""

Form = str | int | Tree


def heap_type(name: str) -> str:
    """A reference type's name in the text format, as `ref.null` wants it."""
    return "$" + name if name in KIT_TYPES or is_declared(name) else name


@cache
def value_type(name: str) -> str:
    """A type's name in the text format; references are nullable but for those that begin with `ref.`."""
    if name.startswith(NON_NULL_PREFIX):
        return f"(ref {heap_type(name.removeprefix(NON_NULL_PREFIX))})"
    return name if name in _NUMBERS else f"(ref null {heap_type(name)})"


def not_null(text: str, strict: bool) -> str:
    """A value that goes where null may not."""
    return f"(ref.as_non_null {text})" if strict else text


def params(names: tuple[str, ...]) -> str:
    """The parameters of a function or tag."""
    return "".join(f" (param {value_type(name)})" for name in names)


def signature(names: tuple[str, ...], result: str) -> str:
    """The parameters and the result of a function; no result if that is empty."""
    return params(names) + (f" (result {value_type(result)})" if result else "")


class Uses:
    """What the functions of a module use of what is outside them."""

    def __init__(
        self,
        helpers: list[tuple[tuple[str, ...], str]],
        globals_: list[str],
        tables: list[Tree] | None = None,
        counted: bool = False,
        types: Types = KIT_ONLY,
    ) -> None:
        self.types = types
        """The types of the kit, and those that the body declares."""
        self.passed = " (global.set $points (i32.add (global.get $points) (i32.const 1)))" if counted else ""
        """What comes right after a check point: at the beginning of a function, and of each turn of a loop."""
        self.declared_as: list[str | None] = [None] * len(helpers)
        """The function types that the helpers are said to be of."""
        self.invokes = False
        """Whether functions are called by references that may be to any."""
        self.helpers = helpers
        """The types of the helpers' parameters and of their results."""
        self.globals = (*KIT_GLOBALS, *globals_)
        """The types of all globals: those of the kit, then private ones."""
        self.tables = tables or []
        """Private tables, as they are declared."""
        self.imports: dict[str, str] = {}
        """Names with `$`, and the import."""
        self.data = False
        self.references = False
        """Whether a helper is called by reference or through the table."""
        self.listed: list[int] = list(range(len(helpers)))
        """The helpers in that table."""

    def type_name(self, helper: int) -> str:
        """The name of a helper's type."""
        of = self.declared_as[helper]
        return f"$f{helper}" if of is None else f"${of}"

    def table_type(self, number: int) -> str:
        """The type of a table's elements, of the kit's or after those of private ones."""
        return KIT_TABLES[number] if number < len(KIT_TABLES) else str(self.tables[number - len(KIT_TABLES)][1])

    def wide(self, number: int) -> bool:
        """Whether a table has indexes of 64 bits."""
        return number >= len(KIT_TABLES) and self.tables[number - len(KIT_TABLES)][0] == WIDE

    def kit(self, kind: str, number: int, of: str) -> str:
        """The name of a global, table or tag of the kit; `of` is its type, with a `$` where its name goes."""
        name = f"${kind}{number}"
        self.imports[name] = f'(import "kit" "{kind}{number}" ({of.replace("$", name + " ", 1)}))'
        return name

    def host(self, name: str) -> str:
        """The name of a host function."""
        self.imports[f"${name}"] = f'(import "host" "{name}" (func ${name}{HOST[name]}))'
        return f"${name}"


class Function:
    """The code of one function, or of the items of a segment: its variables and the blocks around the current form."""

    def __init__(self, uses: Uses, variables: tuple[str, ...], constant: bool = False) -> None:
        self._uses = uses
        self._constant = constant  # an expression that is no function's: what is never null there is known to be
        self._strict = {at for at, name in enumerate(variables) if name.startswith(NON_NULL_PREFIX)}
        self._variables = tuple(name.removeprefix(NON_NULL_PREFIX) for name in variables)
        self._labels: list[str] = []  # of the language's blocks, the innermost last
        self._made = 0  # labels so far
        self._depth = 0  # enclosing repeats
        self.counters = 0
        """How many counters the function's repeats need."""

    def code(self, form: Form) -> Code:
        """The code of a statement or expression."""
        if not isinstance(form, tuple):
            raise TypeError(f"a form was expected, not {form!r}")
        name = str(form[0])
        if name in _PLAIN:
            return self._plain(*_PLAIN[name], form[1:])
        if name in HOST:
            return self._host(name, form[1:])
        if name in _NUMBERS:
            return f"({name}.const {form[1]})", name
        special: Callable[..., Code] = getattr(self, f"_{name.replace('.', '_')}")
        return special(*form[1:])

    def _texts(self, forms: tuple[Form, ...]) -> str:
        return "".join(" " + self.code(form)[0] for form in forms)

    def _label(self) -> str:
        self._made += 1
        return f"$b{self._made}"

    # --- one instruction

    def _plain(self, instruction: str, kinds: str, of: str, parts: tuple[Form, ...]) -> Code:
        immediates = [self._immediate(kind, part) for kind, part in zip(kinds, parts, strict=False)]
        operands = [self.code(part) for part in parts[len(kinds) :]]
        type_ = of
        if of == "v":
            type_ = self._variables[_number(parts[0])]
        elif of == "k":
            type_ = self._uses.globals[_number(parts[0])]
        elif of == "t":
            type_ = self._uses.table_type(_number(parts[0])).removeprefix(NON_NULL_PREFIX)
        elif of == "y":
            type_ = str(parts[0])
        elif of == "0":
            type_ = operands[0][1]
        elif of in ("f", "e"):
            storage = self._uses.types.objects[str(parts[0])].fields[_number(parts[1]) if of == "f" else 0].storage
            type_ = "i32" if storage in _PACKED else storage
            instruction += "_u" if storage in _PACKED else ""
        texts = [text for text, _ in operands]
        if kinds == "v" and texts:
            texts = [not_null(texts[0], parts[0] in self._strict)]
        if kinds[:1] == "y":
            texts = self._for_fields(instruction, parts, texts)
        if kinds[:1] == "t":
            texts = self._for_tables(instruction, [_number(part) for part in parts[: kinds.count("t")]], texts)
        made = _folded(instruction, *immediates, *texts)
        if instruction in ("table.size", "table.grow") and self._uses.wide(_number(parts[0])):
            made = f"(i32.wrap_i64 {made})"
        return made, type_

    def _for_fields(self, instruction: str, parts: tuple[Form, ...], texts: list[str]) -> list[str]:
        """Operands of which those that become fields or elements without null are not null."""
        if self._constant:
            return texts
        fields = self._uses.types.objects[str(parts[0])].fields
        if instruction == "struct.new":
            return [not_null(text, not field.nullable) for text, field in zip(texts, fields, strict=True)]
        place = _FIELDS.get(instruction)
        if place is not None:
            field = fields[_number(parts[1]) if instruction == "struct.set" else 0]
            texts[place] = not_null(texts[place], not field.nullable)
        return texts

    def _for_tables(self, instruction: str, tables: list[int], texts: list[str]) -> list[str]:
        """Operands of the types that the tables want: indexes and counts of 64 bits, elements that are not null."""
        wide = [self._uses.wide(table) for table in tables]
        element = _ELEMENTS.get(instruction)
        if element is not None:
            strict = self._uses.table_type(tables[0]).startswith(NON_NULL_PREFIX)
            texts[element] = not_null(texts[element], strict)
        if instruction == "table.copy":
            numbers = [wide[0], wide[1], all(wide)]
        elif instruction == "table.init":
            numbers = [wide[0], False, False]
        else:
            numbers = [wide[0] and at != element for at in range(len(texts))]
        return [f"(i64.extend_i32_s {text})" if is_wide else text for text, is_wide in zip(texts, numbers, strict=True)]

    def _immediate(self, kind: str, part: Form) -> str:
        if kind == "k":
            number = _number(part)
            if number >= len(KIT_GLOBALS):
                return f"$p{number}"
            return self._uses.kit("g", number, f"global $(mut {value_type(KIT_GLOBALS[number])})")
        if kind == "t":
            return self.table(_number(part))
        if kind == "g":
            return self._tag(str(part))
        return {"s": "$s", "y": "$"}.get(kind, "") + str(part)

    def table(self, number: int) -> str:
        """The name of a table of the kit, or after those of a private one."""
        if number >= len(KIT_TABLES):
            return f"$q{number}"
        return self._uses.kit("t", number, f"table $0 {value_type(KIT_TABLES[number])}")

    def _tag(self, name: str) -> str:
        return self._uses.kit("tag", _TAGS.index(name), f"tag ${params(TAG_TYPES[name])}")

    def _host(self, name: str, parts: tuple[Form, ...]) -> Code:
        return f"(call {self._uses.host(name)}{self._texts(parts)})", "extern" if "result" in HOST[name] else ""

    # --- signed fields, several values

    def _struct_get_s(self, of: str, field: int, value: Form) -> Code:
        return f"(struct.get_s ${of} {field}{self._texts((value,))})", "i32"

    def _array_get_s(self, of: str, *operands: Form) -> Code:
        return f"(array.get_s ${of}{self._texts(operands)})", "i32"

    def _type(self, variable: int) -> str:
        return NON_NULL_PREFIX * (variable in self._strict) + self._variables[variable]

    def _set2(self, one: int, other: int, *values: Form) -> Code:
        results = "".join(f" (result {value_type(self._type(at))})" for at in (one, other))
        pairs = zip((one, other), values, strict=True)
        texts = [not_null(self.code(part)[0], at in self._strict) for at, part in pairs]
        return f"(block{results} {' '.join(texts)}) (local.set {other}) (local.set {one})", ""

    # --- numbers, types, segments

    def _to_i32(self, number: Form) -> Code:
        text, of = self.code(number)
        instruction = _TO_I32[of]
        return (_folded(instruction, text) if instruction else text), "i32"

    def _null(self, of: str) -> Code:
        return f"(ref.null {heap_type(of)})", of

    def _test(self, of: str, value: Form) -> Code:
        return f"(ref.test (ref {heap_type(of)}){self._texts((value,))})", "i32"

    def _cast(self, of: str, value: Form) -> Code:
        return f"(ref.cast (ref null {heap_type(of)}){self._texts((value,))})", of

    def _test_null(self, of: str, value: Form) -> Code:
        return f"(ref.test (ref null {heap_type(of)}){self._texts((value,))})", "i32"

    def _cast_non_null(self, of: str, value: Form) -> Code:
        return f"(ref.cast (ref {heap_type(of)}){self._texts((value,))})", of

    def _on_cast(self, of: str, value: Form, other: Form, null: str = "") -> Code:
        label, top = self._label(), self._uses.types.top_of(of)
        branch = f"(br_on_cast {label} (ref null {top}) (ref {null}{heap_type(of)}){self._texts((value,))})"
        return f"(block {label} (result {value_type(of)}) (drop {branch}){self._texts((other,))})", of

    def _on_cast_fail(self, of: str, value: Form, other: Form, null: str = "") -> Code:
        label, failed, top = self._label(), self._label(), self._uses.types.top_of(of)
        branch = f"(br_on_cast_fail {failed} (ref null {top}) (ref {null}{heap_type(of)}){self._texts((value,))})"
        inner = f"(block {failed} (result (ref null {top})) (br {label} {branch}))"
        return f"(block {label} (result {value_type(of)}) (drop {inner}){self._texts((other,))})", of

    def _on_cast_null(self, of: str, value: Form, other: Form) -> Code:
        return self._on_cast(of, value, other, "null ")

    def _on_cast_fail_null(self, of: str, value: Form, other: Form) -> Code:
        return self._on_cast_fail(of, value, other, "null ")

    def _on_non_null(self, value: Form, other: Form) -> Code:
        label = self._label()
        text, of = self.code(value)
        branch = f"(br_on_non_null {label} {text})"
        return f"(block {label} (result {value_type(of)}) {branch}{self._texts((other,))})", of

    def _array_new_fixed(self, of: str, *values: Form) -> Code:
        strict = not self._constant and not self._uses.types.objects[of].fields[0].nullable
        texts = "".join(" " + not_null(self.code(value)[0], strict) for value in values)
        return f"(array.new_fixed ${of} {len(values)}{texts})", of

    def _array_new_data(self, of: str, *operands: Form) -> Code:
        self._uses.data = True
        return f"(array.new_data ${of} $data{self._texts(operands)})", of

    def _array_init_data(self, of: str, *operands: Form) -> Code:
        self._uses.data = True
        return f"(array.init_data ${of} $data{self._texts(operands)})", ""


def _number(part: Form) -> int:
    if not isinstance(part, int):
        raise TypeError(f"a number was expected, not {part!r}")
    return part


def _folded(instruction: str, *parts: str) -> str:
    return f"({' '.join((instruction, *parts))})"
