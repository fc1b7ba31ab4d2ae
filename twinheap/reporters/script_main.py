"""The main function of a stand-alone script: a program op by op, each with what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from twinheap.model.engines import ENGINES, POOL_TRIED
from twinheap.model.kit import ARRAYS, HIERARCHY, STRUCTS, TAGS, Field, stored_number
from twinheap.model.observation import OOM, SKIP, Observation
from twinheap.model.ops import CALLS, CHURNED_OBJECTS, CODE, END, INT_KINDS, NULL, NULL_OBJECT_USES, OPS, UNLIMITED, Op
from twinheap.model.program import Program, results_of, slots_of
from twinheap.model.rules_resources import SHARE, SLACK
from twinheap.model.text import format_op, kinds_of
from twinheap.reporters.script_bounds import bounds_of, listed

LOWERED = {"owned_drop_thread": "odrop", "run_exn": "run", "call": "call_back", "call_exn": "call_back"}
"""The methods of ops whose method has another name; a thread of its own tells nothing about roots."""

RENAMED = LOWERED | {"raise": "raise_", "link": "linked"}

_RESULT, _CHURN, _LINK = CODE["result"], CODE["churn"], CODE["link"]
_LIMITS = (CODE["set_fuel"], CODE["set_epoch_deadline"])
_SURE = ("gc", "sync", "store_new", "store_drop", "set_fuel", "set_epoch_deadline")
"""What a right target does with `ok` whatever a run did."""

_HOST = re.compile(r'import "host" "(\w+)"')
_SIGNATURES = {"see": "e:", "note": "i:", "gc": ":", "clear": ":", "new": ":e", "pass": "e:e", "cb": "e:e"}


class Main:
    """Writes it.

    `expected`: what a right target observes, as far as that is known; `bodies`: their WAT; `fars`: that of the far
    helpers of each, empty if it has none.
    """

    def __init__(
        self, program: Program, expected: Sequence[Observation], bodies: Sequence[str], fars: Sequence[str]
    ) -> None:
        self._program = program
        self._expected = expected
        self._bodies = bodies
        self._fars = fars
        self._kinds = kinds_of(program)
        self._limited = program.config.limit != UNLIMITED or any(
            OPS[op[0]].name in ("store_new", "set_limit") and UNLIMITED not in op for op in program.ops
        )
        self._doubt = next((at for at, op in enumerate(program.ops) if _may_stop(op)), len(program.all_ops))
        self._bounds = bounds_of(program, expected, self._doubt)

    def lines(self) -> list[str]:
        """The lines, with the call of it at the end."""
        program = self._program
        lines = ["def main() -> int:", "    api = Machine(*library_from_arguments())", *self._settings()]
        lines += ["    " + self._step(-1, "S0 = store_new", "ok")]
        lines += [f"    S0 = api.store_new({program.config.limit})"]
        if inside := self._inside():
            lines.append(f"    {' = '.join(inside)} = None")
        at = 0
        while at < len(program.all_ops):
            if at == len(program.ops):
                lines.append("    # at the end")
            new, at = self._op(at)
            lines += ["    " + line for line in new]
        dies = any(OPS[op[0]].name == "wrong_store" for op in program.ops)
        return [
            *lines,
            "    return api.end()",
            "",
            "",
            'if __name__ == "__main__":',
            f"    sys.exit(guarded(main, {dies}))",
        ]

    def _engine(self) -> Iterator[str]:
        engine = ENGINES[self._program.config.engine]
        if not engine.optimize:
            yield '    api.configure("cranelift_opt_level", ctypes.c_uint8(0))'
        if engine.single_pass:
            yield '    api.configure("cranelift_regalloc_algorithm", ctypes.c_uint8(1))'
        if engine.explicit:
            yield '    api.configure("signals_based_traps", ctypes.c_bool(False))'
        if engine.pulley:
            yield '    api.configure("target", b"pulley64")'
        for name, size in (("memory_reservation", engine.reservation), ("memory_guard_size", engine.guard)):
            if size is not None:
                yield f'    api.configure("{name}", U64({size}))'
        if engine.reservation is not None:
            yield f'    api.configure("memory_reservation_for_growth", U64({engine.reservation}))'
        if engine.pooling:
            yield "    api.pooling()"
        if engine.fuel:
            yield "    api.limit_by_fuel()"
        if engine.epochs:
            yield "    api.limit_by_epochs()"
        yield "    api.start()"

    def _settings(self) -> Iterator[str]:
        yield from self._engine()
        names = {OPS[op[0]].name for op in self._program.ops}
        if names & {"struct_new", "array_new", "chain"} or any(map(churns_objects, self._program.ops)):
            yield "    api.object_types(TYPES, STRUCTS, ARRAYS)"
        if "inst" in names:
            yield "    api.link(KIT)"
            yield from (f"    kit_{share} = api.module(KIT_{share.upper()})" for share in shares_in(self._program))
            for name in sorted(set(_HOST.findall("".join((*self._bodies, *self._fars))))):
                params, results = _SIGNATURES[name].split(":")
                yield f'    api.host("{name}", api.host_{name}, "{params}", "{results}")'
            yield from (f"    B{at} = api.module(BODY{at})" for at in range(len(self._bodies)))
            yield from (f"    api.fars[B{at}] = api.module(FAR{at})" for at, far in enumerate(self._fars) if far)

    def _inside(self) -> list[str]:
        """The slots that callbacks define."""
        found, depth = [], 0
        for op in self._program.ops:
            depth -= op[0] == END
            found += [f"{kind}{slot}" for kind, slot in results_of(op)] if depth else []
            depth += op[0] in CALLS
        return found

    def _step(self, at: int, text: str, allowed: str) -> str:
        live, gone = self._bounds.get(at, ([], []))
        parts = [repr(text), repr(allowed)]
        parts += [f"{name}={listed(values)}" for name, values in (("live", live), ("gone", gone)) if values]
        return f"api.step({', '.join(parts)})"

    def _allowed(self, at: int, op: Op) -> str:
        name = OPS[op[0]].name
        if at >= len(self._expected) or (name in ("fill", "chain") and self._limited):
            return ""
        if name == "churn":
            return "ok"
        if at >= self._doubt and name not in _SURE:
            return ""
        seen = self._expected[at]
        if seen.outcome == OOM:  # memory may last longer elsewhere
            return ""
        values = [value for value in seen.values if not (isinstance(value, str) and value.startswith("f:"))]
        return str(Observation(seen.outcome, tuple(values)))

    def _op(self, at: int) -> tuple[list[str], int]:
        """The lines of an op, with those inside, and where the next one is."""
        op = self._program.all_ops[at]
        text, allowed = format_op(op, self._kinds), self._allowed(at, op)
        lines, after = self._callback(at) if op[0] in CALLS else ([], at + 1)
        if allowed == SKIP:
            return [f"# skipped: {text}"], after
        result = next((f"{kind}{slot} = " for kind, slot in results_of(op)), "")
        made = [self._step(at, text, allowed), result + self._code(at, op)]
        if op[0] in CALLS and self._program.all_ops[after][0] != _RESULT:
            made.append("api.drop_returned()")
        needed = dict.fromkeys(f"{self._kinds[slot]}{slot}" for _, slot in slots_of(op) if self._kinds[slot] != "S")
        if not needed:
            return [*lines, *made], after
        if result:
            lines.append(result + "None")
        test = " and ".join(f"{slot} is not None" for slot in needed)
        return [*lines, f"if {test}:", *("    " + line for line in made)], after

    def _callback(self, at: int) -> tuple[list[str], int]:
        lines, names, place = [], [], at + 1
        ops = self._program.all_ops
        while ops[place][0] != END:
            names += [f"{kind}{slot}" for kind, slot in results_of(ops[place])]
            new, place = self._op(place)
            lines += new
        if names:
            lines.insert(0, f"nonlocal {', '.join(names)}")
        return [f"def callback{at}() -> None:", *("    " + line for line in lines or ["pass"]), ""], place + 1

    def _code(self, at: int, op: Op) -> str:
        spec = OPS[op[0]]
        special: Callable[[int, Op], list[str]] | None = getattr(self, f"_{RENAMED.get(spec.name, spec.name)}", None)
        words = special(at, op) if special else self._words(op)
        return f"api.{method_of(op)}({', '.join(words)})"

    def _words(self, op: Op) -> list[str]:
        given = zip(OPS[op[0]].params, op[1:], strict=False)
        return [
            self._slot(v) if param.is_slot else str(v) for param, v in given if param.kind not in ("limiter", "form")
        ]

    def _slot(self, slot: int) -> str:
        return "None" if slot == NULL else f"{self._kinds[slot]}{slot}"

    def _run(self, at: int, op: Op) -> list[str]:
        _, inst, body, value, first, second, third, selector = op[:8]
        given = ", ".join(self._slot(slot) for slot in (first, second, third))
        callback = [f"callback{at}"] if op[0] in CALLS else []
        return [self._slot(inst), f"B{body}", str(value), f"({given})", str(selector), *callback]

    _call_back = _run

    def _linked(self, _: int, op: Op) -> list[str]:
        return [self._slot(op[1]), f"kit_{_share(op)}"]

    def _fields(self, fields: Sequence[Field], number: int, slots: Sequence[int]) -> list[str]:
        rest, words = iter(slots), []
        for field in fields:
            if field.is_reference:
                words.append(f'("{HIERARCHY[field.storage]}", {self._slot(next(rest))})')
            else:
                kind = field.storage if field.storage[0] == "f" or field.storage == "i64" else "i32"
                stored = stored_number(field.storage, number) if kind != "i32" else number
                words.append(f'("{kind}", {stored})')
        return words

    def _struct_new(self, _: int, op: Op) -> list[str]:
        of = STRUCTS[op[2]]
        return [self._slot(op[1]), f'"{of.name}"', *self._fields(of.fields, op[3], op[4:8])]

    def _array_new(self, _: int, op: Op) -> list[str]:
        of = ARRAYS[op[2]]
        return [self._slot(op[1]), f'"{of.name}"', str(op[3]), *self._fields(of.fields, op[4], op[5:6])]

    def _exn_new(self, _: int, op: Op) -> list[str]:
        return [self._slot(op[1]), *self._fields(TAGS[op[2]].fields, 0, op[3:5])]

    def _churn(self, _: int, op: Op) -> list[str]:
        what = INT_KINDS["churn"].names[op[2]]
        return [self._slot(op[1]), f'"{what}"', str(op[3]), str(SLACK + SHARE * op[3])]

    def _null_object(self, _: int, op: Op) -> list[str]:
        return [self._slot(op[1]), f'"{NULL_OBJECT_USES[op[2]]}"']

    def _pool_fill(self, _: int, op: Op) -> list[str]:
        return [self._slot(op[1]), str(POOL_TRIED)]


def method_of(op: Op) -> str:
    """The name of the method that does an op."""
    name = OPS[op[0]].name
    return _churning(op) or RENAMED.get(name, name)


def churns_objects(op: Op) -> bool:
    """Whether an op makes objects only to drop them or to read them, for which a script needs their types."""
    return _churning(op) in ("churn_objects", "churn_reads")


def _churning(op: Op) -> str:
    """The method for an op that makes and drops things of one kind or other; "" for any other op, and for old ones."""
    what = INT_KINDS["churn"].names[op[2]] if op[0] == _CHURN else ""
    methods = dict.fromkeys(CHURNED_OBJECTS, "churn_objects") | {"cast": "churn_reads", "field": "churn_reads"}
    return (methods | {"call": "churn_calls", "table": "churn_table"}).get(what, "")


def shares_in(program: Program) -> list[str]:
    """What linked instances of the program share, each once."""
    return sorted({_share(op) for op in program.ops if op[0] == _LINK})


def _share(op: Op) -> str:
    return INT_KINDS["shares"].names[op[2]]


def _may_stop(op: Op) -> bool:
    """Whether runs may be stopped from an op on."""
    return op[0] in _LIMITS and op[2] != UNLIMITED
