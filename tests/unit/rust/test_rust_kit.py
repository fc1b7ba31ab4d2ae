"""The kit as the executor has it: the module of an instance, and the types that it takes from there.

The executor's own tests compare what Wasmtime says of the types with the same fixture.
"""

from __future__ import annotations

from pathlib import Path

from twinheap.model.kit import ARRAYS, KIT_GLOBALS, KIT_TABLES, STRUCTS, TAGS, ObjectType
from twinheap.model.wat import kit_module

ROOT = Path(__file__).resolve().parents[3]


def described(kind: str, made: ObjectType, name: str = "") -> str:
    above = f" below {made.parent}" if made.parent else ""
    fields = [f" {field.storage}{'' if field.mutable else '!'}" for field in made.fields]
    return f"{kind} {name or made.name}{above}{'' if made.final else ' open'}:{''.join(fields)}"


def test_types_are_those_of_the_model() -> None:
    lines = [described("struct", made) for made in STRUCTS] + [described("array", made) for made in ARRAYS]
    lines += [described("tag", made, f"tag{at}") for at, made in enumerate(TAGS)]
    lines += [" ".join(("globals:", *KIT_GLOBALS)), " ".join(("tables:", *KIT_TABLES))]
    assert (ROOT / "tests" / "fixtures" / "kit.txt").read_text(encoding="utf-8") == "\n".join(lines) + "\n"


def test_the_module_is_that_of_the_model() -> None:
    text = (ROOT / "targets" / "rust" / "crate" / "src" / "kit.wat").read_text(encoding="utf-8")
    assert text == kit_module(exceptions=True) + "\n"
