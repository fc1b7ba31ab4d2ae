"""A program as a stand-alone Python script on Wasmtime's C API: for bug reports, and for readers without TwinHeap."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from twinheap.fuzz.replay import inexpressible
from twinheap.model.ops import NULL, OPS, Op
from twinheap.model.program import Program, results_of, slots_of
from twinheap.model.text import format_op, kinds_of
from twinheap.model.view import ALL_OPS, view
from twinheap.reporters import capi_script, capi_script_ops

LOWERED = {"owned_drop_thread": "odrop"}
"""Ops that the script does in another way: on one thread, since a second one tells nothing about roots."""


class ScriptError(ValueError):
    """The program says something that C cannot. The text is one line."""


def script(program: Program, meta: Mapping[str, str]) -> str:
    """The script that does what `program` does, op by op. Raises ScriptError."""
    methods = {name for name in dir(capi_script_ops.Api) if name in ALL_OPS}
    supported = frozenset(methods | LOWERED.keys())
    if missing := inexpressible(program, supported):
        raise ScriptError(f"the C API cannot express {', '.join(missing)}")
    asked = view(program, supported)
    lines = [_docstring(meta), _runtime(), "", "", *_main(asked)]
    return "\n".join(lines) + "\n"


def _docstring(meta: Mapping[str, str]) -> str:
    keys = ("code", "known", "targets", "release", "at", "allowed", "observed")
    told = [f"{key}: {meta[key]}" for key in keys if meta.get(key)]
    text = "\n".join(["A program of TwinHeap on Wasmtime's C API.", "", *told]).rstrip()
    quoted = text.replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{quoted}\n"""\n'


def _runtime() -> str:
    """The source of the common parts, without docstrings and imports of ours."""
    core, ops = inspect.getsource(capi_script), inspect.getsource(capi_script_ops)
    return core[core.index("from __future__") :].rstrip() + "\n\n\n" + ops[ops.index("class Api") :].rstrip()


def _main(program: Program) -> list[str]:
    kinds = kinds_of(program)
    lines = ["def main() -> None:", "    api = Api(*library_from_arguments())"]
    lines.append(f'    S0 = api.store_new("S0 = store_new", {program.config.limit})')
    for at, op in enumerate(program.all_ops):
        if at == len(program.ops):
            lines.append("    # at the end")
        lines += ["    " + line for line in _line(op, kinds)]
    return [*lines, "", "", 'if __name__ == "__main__":', "    main()"]


def _line(op: Op, kinds: Mapping[int, str]) -> list[str]:
    """One op, skipped if an operand's producer gave nothing."""
    spec = OPS[op[0]]
    name = LOWERED.get(spec.name, spec.name)
    words = [repr(format_op(op, kinds).rstrip(":"))]
    for param, value in zip(spec.params, op[1:], strict=False):
        if param.kind == "limiter":
            continue
        words.append(("None" if value == NULL else f"{kinds[value]}{value}") if param.is_slot else str(value))
    call = f"api.{name}({', '.join(words)})"
    results = [f"{kind}{slot}" for kind, slot in results_of(op)]
    result = f"{results[0]} = " if results else ""
    needed = [f"{kinds[slot]}{slot}" for _, slot in slots_of(op) if kinds[slot] != "S"]
    if not needed:
        return [f"{result}{call}"]
    test = " and ".join(f"{slot} is not None" for slot in dict.fromkeys(needed))
    return [f"{result}{call} if {test} else None"]
