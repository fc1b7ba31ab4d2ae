"""A program as a stand-alone Python script on Wasmtime's C API: for bug reports, and for readers without TwinHeap.

What is allowed is what the in-tree heap does, which is right; a value has to be finalized by the end of the collection
in which it is there, or of the next one, and must not be before. How far fuel lasts is another matter on each release:
once a run may be stopped, a script asks of what follows only that it does not fail.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from twinheap.fuzz.opening import opener_for
from twinheap.fuzz.replay import inexpressible
from twinheap.model.engines import ENGINES, feature
from twinheap.model.kit import ARRAYS, SHARES, STRUCTS
from twinheap.model.observation import Observation
from twinheap.model.program import Program
from twinheap.model.view import ALL_OPS, view
from twinheap.model.wat import far_module, kit_module, module, types_module
from twinheap.reporters.capi_script_limits import FiberApi, LimitedApi
from twinheap.reporters.script_main import RENAMED, Main, churns_objects, method_of, shares_in
from twinheap.reporters.script_parts import parts

_JUDGE = "heap"
_WASM = ("inst", "run", "call_back", "modules_drop", "churn_calls")
_OBJECTS = re.compile("struct|array|exn_|throw|raise_exn|chain|null_object|churn_(objects|reads)")
_ENGINES = frozenset(map(feature, range(len(ENGINES))))
_ONE_ENGINE = "store_new_in"
_IMPORTS = """from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn
"""


class ScriptError(ValueError):
    """The program says something that C cannot. The text is one line."""


def script(program: Program, meta: Mapping[str, str]) -> str:
    """The script that does what `program` does, op by op. Raises ScriptError."""
    methods = {name for name in dir(LimitedApi) if name in ALL_OPS}
    supported = frozenset(methods | RENAMED.keys() | {"end"}) | _ENGINES
    missing = inexpressible(program, supported)
    if only_rust := [name for name in missing if name != _ONE_ENGINE]:
        raise ScriptError(f"the C API cannot express {', '.join(only_rust)}: only an executor can run this program")
    if missing:
        raise ScriptError(f"a script has one engine, and {_ONE_ENGINE} needs another: only executors run this program")
    asked = view(program, supported)
    names = {method_of(op) for op in asked.all_ops}
    if any(map(churns_objects, asked.ops)):
        names.add("struct_new")  # its types, and the class that knows objects
    bodies = [module(body) for body in asked.config.bodies]
    fars = [far_module(body) or "" for body in asked.config.bodies]
    main = "\n".join(Main(asked, _expected(asked), bodies, fars).lines()) + "\n"
    used = {"library_from_arguments", "guarded", "CApi", *re.findall(r"\bapi(\.\w+)", main)}
    objects, wasm = any(map(_OBJECTS.match, names)), not names.isdisjoint(_WASM)
    base = "ObjectApi" if objects else "WasmApi" if wasm else "Api"
    if ENGINES[asked.config.engine].limits_runs:
        base = LimitedApi.__name__
    if ENGINES[asked.config.engine].fibers:
        base = FiberApi.__name__
        used.add(".call")
    used.add(base)
    code = [_docstring(meta), _IMPORTS, parts(used)]
    code += _texts(names, bodies, fars, shares_in(asked))
    return "\n".join([*code, "", main.replace("Machine(", f"{base}(")])


def _expected(asked: Program) -> Sequence[Observation]:
    """What the in-tree heap does."""
    differ = opener_for()(_JUDGE)
    try:
        return differ.run([asked])[0].ran.observations
    finally:
        differ.close()


def _texts(names: set[str], bodies: Sequence[str], fars: Sequence[str], shares: Sequence[str]) -> list[str]:
    """The modules."""
    lines = []
    if not names.isdisjoint(("struct_new", "array_new", "chain")):
        for name, types in (("STRUCTS", STRUCTS), ("ARRAYS", ARRAYS)):
            lines.append(f"{name} = {tuple(made.name for made in types)!r}")
        lines.append(_text("TYPES", types_module()))
    if "inst" in names:
        exceptions = any("(tag" in body for body in (*bodies, *fars))
        lines.append(_text("KIT", kit_module(exceptions)))
        lines += [_text(f"KIT_{share.upper()}", kit_module(exceptions, SHARES[share])) for share in shares]
        lines += [_text(f"BODY{at}", body) for at, body in enumerate(bodies)]
        lines += [_text(f"FAR{at}", far) for at, far in enumerate(fars) if far]
    return ["", *lines, ""] if lines else []


def _text(name: str, wat: str) -> str:
    return f"{name} = r'''\n{wat}\n'''"


def _docstring(meta: Mapping[str, str]) -> str:
    keys = ("code", "known", "targets", "release", "at", "allowed", "observed", "bisected")
    told = [f"{key}: {meta[key]}" for key in keys if meta.get(key)]
    text = "\n".join(["A program of TwinHeap on Wasmtime's C API.", "", *told]).rstrip()
    quoted = text.replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{quoted}\n"""\n'
