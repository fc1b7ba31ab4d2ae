"""Bodies as Wasm modules in the text format, and the module of the kit that they import from (docs/bodies.md).

Both declare the object types of the kit in the same way, so that modules of one engine share them. The text is that
of a body which `body_types.check` accepts; of any other it may be invalid, or there is an exception. Implements
docs/spec/program-ir.md 8.1 (bodies).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from twinheap.model.body import Tree, parse
from twinheap.model.body_forms import NON_NULL_PREFIX
from twinheap.model.declared import FUNCTION, Member, Types
from twinheap.model.declared_reader import types_of
from twinheap.model.kit import (
    ARRAYS,
    KIT_GLOBALS,
    KIT_TABLES,
    SHARES,
    STRUCTS,
    TABLE_MAXIMUM,
    TABLE_MINIMUM,
    TAGS,
    Field,
    ObjectType,
)
from twinheap.model.ops import CODE
from twinheap.model.program import Program
from twinheap.model.wat_code import (
    TAG_TYPES,
    WIDE,
    Form,
    Uses,
    heap_type,
    not_null,
    params,
    signature,
    value_type,
)
from twinheap.model.wat_control import FullFunction

_INST, _LINK = CODE["inst"], CODE["link"]

DATA_BYTES: Final = 64
"""Bytes of the data segment of a body: byte i is i."""

HEADS: Final = frozenset({"far", "type", "param", "result", "local"})
"""What a function begins with, before its forms."""
POINTS: Final = "points"
"""The export that counts the check points which an instance of a body has passed: an i32 (docs/bodies.md)."""

MAIN: Final = ("extern", "extern", "any", "i32")
"""The types of main's parameters; its result is extern."""


def module(text: str, counted: bool = False) -> str:
    """The module of a body: it imports what it uses of "kit", "host" and "far", and exports "main".

    `counted`: it also counts the check points that it passes, those of far helpers included, and exports how many as
    POINTS.
    """
    parts = [part for part in parse(text)[1:] if isinstance(part, tuple)]
    helpers = [part for part in parts if part[0] == "func"]
    own = [part for part in parts if part[0] in ("global", "const")]
    tables = [part for part in parts if part[0] in ("table", WIDE)]
    uses = _uses(parts, [str(part[1]) for part in own], tables, counted)
    if counted and any(map(_is_far, helpers)):
        uses.imports["$points"] = f'(global $points (export "{POINTS}") (import "far" "{POINTS}") (mut i32))'
        code = []
    else:
        code = _counter(counted)
    code += [_table(uses, f"$q{at}", part) for at, part in enumerate(tables, len(KIT_TABLES))]
    code += [_global(uses, f"$p{at}", part) for at, part in enumerate(own, len(KIT_GLOBALS))]
    code += [_segment(uses, f"$s{at}", part) for at, part in enumerate(part for part in parts if part[0] == "segment")]
    code += [_active(uses, part) for part in parts if part[0] == "active"]
    for at, helper in enumerate(helpers):
        if _is_far(helper):
            uses.imports[f"$h{at}"] = f'(import "far" "h{at}" (func $h{at} (type {uses.type_name(at)})))'
        else:
            code.append(_function(uses, f"$h{at} (type {uses.type_name(at)})", helper, *uses.helpers[at]))
    code += [_function(uses, '$main (export "main")', part, MAIN, "extern") for part in parts if part[0] == "main"]
    return _with_extras(uses, code)


def _counter(counted: bool) -> list[str]:
    return [f'(global $points (export "{POINTS}") (mut i32) (i32.const 0))'] if counted else []


def far_module(text: str, counted: bool = False) -> str | None:
    """The module of the far helpers of a body, which exports them as "h0" and so on; None if it has none."""
    parts = [part for part in parse(text)[1:] if isinstance(part, tuple)]
    helpers = [part for part in parts if part[0] == "func"]
    far = [at for at, helper in enumerate(helpers) if _is_far(helper)]
    if not far:
        return None
    uses = _uses(parts, [], [], counted)
    uses.listed = far
    heads = [(at, f'$h{at} (export "h{at}") (type {uses.type_name(at)})') for at in uses.listed]
    functions = [_function(uses, head, helpers[at], *uses.helpers[at]) for at, head in heads]
    return _with_extras(uses, [*_counter(counted), *functions])


def _is_far(helper: Tree) -> bool:
    return ("far",) in helper


def _uses(parts: list[Tree], globals_: list[str], tables: list[Tree], counted: bool) -> Uses:
    helpers = [part for part in parts if part[0] == "func"]
    signatures = [(_names(helper, "param"), "".join(_names(helper, "result"))) for helper in helpers]
    uses = Uses(signatures, globals_, tables, counted, types_of(part for part in parts if part[0] == "rec"))
    uses.declared_as = [next(iter(_names(helper, "type")), None) for helper in helpers]
    return uses


def _with_extras(uses: Uses, code: list[str]) -> str:
    types = [f"(type $f{at} (func{signature(*of)}))" for at, of in enumerate(uses.helpers)]
    return _module(
        [
            *_types(),
            *_declared(uses.types),
            *types,
            *(uses.imports[name] for name in sorted(uses.imports)),
            *_extras(uses),
            *code,
        ]
    )


def modules(program: Program) -> dict[str, str]:
    """What a program makes instances of: the kit, and each body by its name; nothing if it has no Wasm code.

    Behind them come the modules of far helpers, and of instances that share what others have.

    The kit has tags if a body uses one, as where the target knows exceptions.
    """
    bodies = {f"B{at}": module(body) for at, body in enumerate(program.config.bodies)}
    if not bodies and all(op[0] != _INST for op in program.ops):
        return {}
    texts = {f"B{at}.far": far_module(body) for at, body in enumerate(program.config.bodies)}
    far = {name: text for name, text in texts.items() if text is not None}
    exceptions = any("(tag" in text for text in (*bodies.values(), *far.values()))
    shares = list(SHARES)
    linked = sorted({shares[op[2]] for op in program.ops if op[0] == _LINK})
    links = {f"link.{share}": kit_module(exceptions, SHARES[share]) for share in linked}
    return {"kit": kit_module(exceptions), **bodies, **far, **links}


def kit_module(exceptions: bool, imported: tuple[str, ...] = ()) -> str:
    """The module of an instance of the kit: exports globals "g0", tables "t0" and, if wanted, tags "tag0" and so on.

    `imported`: the kinds of exports that it imports of "kit", another instance, instead of making its own.
    """
    imports, made = [], []
    for kind, at, sort, of, more in _exports(exceptions):
        if kind in imported:
            imports.append(f'({sort} (export "{kind}{at}") (import "kit" "{kind}{at}"){of})')
        else:
            made.append(f'({sort} (export "{kind}{at}"){of}{more})')
    return _module([*_types(), *imports, *made])


def _exports(exceptions: bool) -> Iterator[tuple[str, int, str, str, str]]:
    """Each export of an instance of the kit: the kind, number, sort and type of it, and what it is at first."""
    for at, of in enumerate(KIT_GLOBALS):
        yield "g", at, "global", f" (mut {value_type(of)})", f" (ref.null {heap_type(of)})"
    for at, of in enumerate(KIT_TABLES):
        yield "t", at, "table", f" {TABLE_MINIMUM} {TABLE_MAXIMUM} {value_type(of)}", ""
    if exceptions:
        yield from (("tag", at, "tag", params(TAG_TYPES[tag.name]), "") for at, tag in enumerate(TAGS))


def types_module() -> str:
    """A module that imports a global of each struct type and then each array type: so a host gets hold of them."""
    names = [made.name for made in (*STRUCTS, *ARRAYS)]
    return _module([*_types(), *(f'(import "" "" (global {value_type(name)}))' for name in names)])


DECOYS: Final = 32
"""Types of a module that takes the places of forgotten ones: more than the kit and a few bodies have."""


def decoy_module(variant: int) -> str:
    """A module of types that are nobody else's: structs of other lengths, and other than those of the other variant.

    `variant`: 0 or 1. Once all modules with the kit's types are gone, those of this one get the places that are free;
    whoever still has an object of such a place takes it for one of them. Two that take turns never share their places.
    """
    last = ("i32", "f64")[variant]
    fields = (" (field i64)" * length for length in range(1, DECOYS + 1))
    return _module([f"(type (struct{before} (field {last})))" for before in fields])


def _module(lines: list[str]) -> str:
    return "\n".join(("(module", *lines, ")"))


@cache
def _types() -> tuple[str, ...]:
    return (*(_type("struct", made) for made in STRUCTS), *(_type("array", made) for made in ARRAYS))


def _declared(types: Types) -> list[str]:
    """The recursion groups of a body."""
    groups = [[_member(member) for member in group] for group in types.groups]
    return [f"(rec {' '.join(group)})" for group in groups]


def _member(member: Member) -> str:
    if member.kind == FUNCTION:
        return f"(type ${member.made.name} (func{signature(member.params, member.result or '')}))"
    return _type(member.kind, member.made)


def _type(kind: str, made: ObjectType) -> str:
    if kind == "struct":
        body = f"(struct{''.join(f' (field {_storage(field)})' for field in made.fields)})"
    else:
        body = f"(array {_storage(made.fields[0])})"
    if made.parent or not made.final:
        body = f"(sub{' final' * made.final}{f' ${made.parent}' if made.parent else ''} {body})"
    return f"(type ${made.name} {body})"


def _storage(field: Field) -> str:
    of = field.storage
    if field.is_reference:
        of = value_type(NON_NULL_PREFIX * (not field.nullable) + of)
    return f"(mut {of})" if field.mutable else of


def _names(function: Tree, part: str) -> tuple[str, ...]:
    """The types in the `param`, `result` or `local` parts of a function."""
    found = [form for form in function[1:] if isinstance(form, tuple) and form[0] == part]
    return tuple(str(name) for form in found for name in form[1:])


def _global(uses: Uses, name: str, declared: Tree) -> str:
    of = value_type(str(declared[1]))
    value = _constant(uses, declared[2])
    return f"(global {name} {f'(mut {of})' if declared[0] == 'global' else of} {value})"


def _constant(uses: Uses, form: Form) -> str:
    return FullFunction(uses, (), constant=True).code(form)[0]


def _table(uses: Uses, name: str, declared: Tree) -> str:
    wide, of, minimum, maximum, value = declared
    init = _constant(uses, value)
    return f"(table {name}{' i64' * (wide == WIDE)} {minimum} {maximum} {value_type(str(of))} {init})"


def _segment(uses: Uses, head: str, segment: Tree) -> str:
    items = "".join(f" (item {_constant(uses, item)})" for item in segment[2:])
    return f"(elem {head} {value_type(str(segment[1]))}{items})"


def _active(uses: Uses, active: Tree) -> str:
    _, table, index, *segment = active
    head = f"(table {FullFunction(uses, ()).table(int(str(table)))}) (i32.const {index})"
    return _segment(uses, head, ("segment", *segment))


def _function(uses: Uses, head: str, function: Tree, taken: tuple[str, ...], result: str) -> str:
    variables = _names(function, "local")
    made = FullFunction(uses, taken + variables)
    forms = [form for form in function[1:] if isinstance(form, tuple) and form[0] not in HEADS]
    made.strict_result = result.startswith(NON_NULL_PREFIX)
    texts = [made.code(form)[0] for form in forms]
    if result and texts:
        texts[-1] = not_null(texts[-1], made.strict_result)
    code = "".join(f"\n  {text}" for text in texts)
    declared = "".join(f" (local {value_type(of)})" for of in variables)
    counters = "".join(f" (local $c{at} i32)" for at in range(made.counters))
    again = " (global.set $invoked (i32.const 0))" * (uses.invokes and function[0] == "main")
    return f"(func {head}{signature(taken, result)}{declared}{counters}{uses.passed}{again}{code})"


def _extras(uses: Uses) -> list[str]:
    extras = []
    if uses.invokes:
        extras.append("(global $invoked (mut i32) (i32.const 0))")
    if uses.references:  # helpers by number, which also lets `ref.func` name them
        names = " ".join(f"$h{at}" for at in uses.listed)
        extras.append(f"(table $helpers funcref (elem {names}))")
    if uses.data:
        content = "".join(f"\\{byte:02x}" for byte in range(DATA_BYTES))
        extras.append(f'(data $data "{content}")')
    return extras
