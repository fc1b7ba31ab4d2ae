"""Bodies as Wasm modules in the text format, and the module of the kit that they import from (docs/bodies.md).

Both declare the object types of the kit in the same way, so that modules of one engine share them. The text is that
of a body which `body_types.check` accepts; of any other it may be invalid, or there is an exception. Implements
docs/spec/program-ir.md 8.1 (bodies).
"""

from __future__ import annotations

from typing import Final

from twinheap.model.body import Tree, parse
from twinheap.model.kit import ARRAYS, KIT_GLOBALS, KIT_TABLES, STRUCTS, TABLE_MAXIMUM, TABLE_MINIMUM, TAGS, Field
from twinheap.model.ops import CODE
from twinheap.model.program import Program
from twinheap.model.wat_code import TAG_TYPES, Uses, heap_type, params, signature, value_type
from twinheap.model.wat_control import FullFunction

_INST: Final = CODE["inst"]

DATA_BYTES: Final = 64
"""Bytes of the data segment of a body: byte i is i."""

POINTS: Final = "points"
"""The export that counts the check points which an instance of a body has passed: an i32 (docs/bodies.md)."""

MAIN: Final = ("extern", "extern", "any", "i32")
"""The types of main's parameters; its result is extern."""


def module(text: str, counted: bool = False) -> str:
    """The module of a body: it imports what it uses of "kit" and "host", and exports "main".

    `counted`: it also counts the check points that it passes, and exports how many as POINTS.
    """
    parts = [part for part in parse(text)[1:] if isinstance(part, tuple)]
    helpers = [part for part in parts if part[0] == "func"]
    own = [part for part in parts if part[0] in ("global", "const")]
    types_of = [(_names(helper, "param"), "".join(_names(helper, "result"))) for helper in helpers]
    uses = Uses(types_of, [str(part[1]) for part in own], counted)
    code = [f'(global $points (export "{POINTS}") (mut i32) (i32.const 0))'] if counted else []
    code += [_global(uses, f"$p{at}", part) for at, part in enumerate(own, len(KIT_GLOBALS))]
    code += [_segment(uses, f"$s{at}", part) for at, part in enumerate(part for part in parts if part[0] == "segment")]
    code += [_active(uses, part) for part in parts if part[0] == "active"]
    for at, (helper, (taken, result)) in enumerate(zip(helpers, uses.helpers, strict=True)):
        code.append(_function(uses, f"$h{at} (type $f{at})", helper, taken, result))
    code += [_function(uses, '$main (export "main")', part, MAIN, "extern") for part in parts if part[0] == "main"]
    types = [f"(type $f{at} (func{signature(*of)}))" for at, of in enumerate(uses.helpers)]
    return _module([*_types(), *types, *(uses.imports[name] for name in sorted(uses.imports)), *_extras(uses), *code])


def modules(program: Program) -> dict[str, str]:
    """What a program makes instances of: the kit, and each body by its name; nothing if it has no Wasm code.

    The kit has tags if a body uses one, as where the target knows exceptions.
    """
    bodies = {f"B{at}": module(body) for at, body in enumerate(program.config.bodies)}
    if not bodies and all(op[0] != _INST for op in program.ops):
        return {}
    return {"kit": kit_module(any("(tag" in body for body in bodies.values())), **bodies}


def kit_module(exceptions: bool) -> str:
    """The module of an instance of the kit: exports globals "g0", tables "t0" and, if wanted, tags "tag0" and so on."""
    lines = _types()
    for at, of in enumerate(KIT_GLOBALS):
        lines.append(f'(global (export "g{at}") (mut {value_type(of)}) (ref.null {heap_type(of)}))')
    for at, of in enumerate(KIT_TABLES):
        lines.append(f'(table (export "t{at}") {TABLE_MINIMUM} {TABLE_MAXIMUM} {value_type(of)})')
    if exceptions:
        lines += [f'(tag (export "tag{at}"){params(TAG_TYPES[tag.name])})' for at, tag in enumerate(TAGS)]
    return _module(lines)


def types_module() -> str:
    """A module that imports a global of each struct type and then each array type: so a host gets hold of them."""
    names = [made.name for made in (*STRUCTS, *ARRAYS)]
    return _module([*_types(), *(f'(import "" "" (global {value_type(name)}))' for name in names)])


def _module(lines: list[str]) -> str:
    return "\n".join(("(module", *lines, ")"))


def _types() -> list[str]:
    lines = []
    for made in STRUCTS:
        body = f"(struct{''.join(f' (field {_storage(field)})' for field in made.fields)})"
        if made.parent or not made.final:
            body = f"(sub{' final' * made.final}{f' ${made.parent}' if made.parent else ''} {body})"
        lines.append(f"(type ${made.name} {body})")
    return lines + [f"(type ${made.name} (array {_storage(made.fields[0])}))" for made in ARRAYS]


def _storage(field: Field) -> str:
    of = value_type(field.storage) if field.is_reference else field.storage
    return f"(mut {of})" if field.mutable else of


def _names(function: Tree, part: str) -> tuple[str, ...]:
    """The types in the `param`, `result` or `local` parts of a function."""
    found = [form for form in function[1:] if isinstance(form, tuple) and form[0] == part]
    return tuple(str(name) for form in found for name in form[1:])


def _global(uses: Uses, name: str, declared: Tree) -> str:
    of = value_type(str(declared[1]))
    value = FullFunction(uses, ()).code(declared[2])[0]
    return f"(global {name} {f'(mut {of})' if declared[0] == 'global' else of} {value})"


def _segment(uses: Uses, head: str, segment: Tree) -> str:
    items = "".join(f" (item {FullFunction(uses, ()).code(item)[0]})" for item in segment[2:])
    return f"(elem {head} {value_type(str(segment[1]))}{items})"


def _active(uses: Uses, active: Tree) -> str:
    _, table, index, *segment = active
    head = f"(table {FullFunction(uses, ()).table(int(str(table)))}) (i32.const {index})"
    return _segment(uses, head, ("segment", *segment))


def _function(uses: Uses, head: str, function: Tree, taken: tuple[str, ...], result: str) -> str:
    variables = _names(function, "local")
    made = FullFunction(uses, taken + variables)
    forms = [form for form in function[1:] if isinstance(form, tuple) and form[0] not in ("param", "result", "local")]
    code = "".join(f"\n  {made.code(form)[0]}" for form in forms)
    declared = "".join(f" (local {value_type(of)})" for of in variables)
    counters = "".join(f" (local $c{at} i32)" for at in range(made.counters))
    return f"(func {head}{signature(taken, result)}{declared}{counters}{uses.passed}{code})"


def _extras(uses: Uses) -> list[str]:
    extras = []
    if uses.references:  # helpers by number, which also lets `ref.func` name them
        names = " ".join(f"$h{at}" for at in range(len(uses.helpers)))
        extras.append(f"(table $helpers funcref (elem {names}))")
    if uses.data:
        content = "".join(f"\\{byte:02x}" for byte in range(DATA_BYTES))
        extras.append(f'(data $data "{content}")')
    return extras
