"""The interpreter of bodies, first part: variables, numbers, control flow, calls (docs/bodies.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from twinheap.model.body_env import MAX_INVOKED
from twinheap.targets.heap.types import Storage
from twinheap.targets.heap.values import FunctionRef, Val
from twinheap.targets.heap.wasm_code import Body, Form, Function
from twinheap.targets.heap.wasm_frames import (
    NULL_REF,
    UNREACHABLE,
    Branch,
    Frame,
    Own,
    Returned,
    TailCall,
    Target,
    Trap,
    WasmValue,
)
from twinheap.targets.heap.wasm_host import HostFunctions

if TYPE_CHECKING:
    from twinheap.targets.heap.wasm_instance import Instance

I32_MIN: Final = -(1 << 31)
I32_MAX: Final = (1 << 31) - 1
U32: Final = 0xFFFF_FFFF


class Core:
    """One run: the frame on top, and a method for each form, `_` and its name with underscores.

    Every value that has to outlive another evaluation waits in the frame, where a collection finds it.
    """

    def __init__(self, instance: Instance, body: Body, host: HostFunctions) -> None:
        self.home = instance
        self.instance = instance  # of the function that runs
        self.store = instance.store
        self.heap = instance.store.require_heap()
        self.body = body
        self.host = host
        self.own = Own()
        self.constant = False  # whether a constant expression is evaluated
        self.frame = Frame(())
        self.strict: frozenset[int] = frozenset()  # variables of the function that runs
        self.behind: dict[int, frozenset[int]] = {}  # the places of its frame that are needed behind each form
        self.methods: dict[str, Callable[[Form], Any]] = {}

    def eval(self, form: Form) -> Any:
        """What an expression gives; None for a statement."""
        name = form[0]
        method = self.methods.get(name)
        if method is None:
            method = self.methods[name] = getattr(self, "_" + name.replace(".", "_"))
        return method(form)

    def safepoint(self, form: Form) -> None:
        """A collection may run in a form, whose operands are there: the frame lets go of what it needs no more.

        Compiled code has only that in its stack maps (wasm-ops.md 6.1).
        """
        needed = self.behind.get(id(form))
        if needed is None:  # a constant expression
            return
        refs = self.frame.refs
        for place, ref in enumerate(refs):
            # mutant x02 below: if ref and place not in needed and place:
            if ref and place not in needed:
                refs[place] = 0

    def push(self, forms: tuple[Form, ...]) -> int:
        """Evaluate operands onto the frame; the place of the first."""
        frame = self.frame
        depth = len(frame.refs)
        for form in forms:
            # mutant w31: if form[0] == "select": frame.numbers.append(self.eval(form)); frame.refs.append(0); continue
            # mutant w32: if "data" in form[0]: frame.numbers.append(self.eval(form)); frame.refs.append(0); continue
            frame.push(self.eval(form))
        return depth

    def pop(self, depth: int) -> list[Any]:
        """Take the operands from `depth` on, when nothing can collect before they are used."""
        frame = self.frame
        values = [frame.at(place) for place in range(depth, len(frame.refs))]
        frame.cut(depth)
        return values

    def values(self, forms: tuple[Form, ...]) -> list[Any]:
        """The values of operands of which none is needed once something can collect again."""
        return self.pop(self.push(forms))

    def given(self, form: Form, strict: bool) -> Any:
        """The value of an expression. Traps on null where that cannot be."""
        value = self.eval(form)
        if strict and not value:
            raise Trap(NULL_REF)
        return value

    def push_given(self, forms: tuple[Form, ...], strict: Sequence[bool]) -> int:
        """As `push`; traps on null where that cannot be."""
        if not any(strict):  # mutant y02: if True:
            return self.push(forms)
        depth = len(self.frame.refs)
        for form, never in zip(forms, strict, strict=True):
            self.frame.push(self.given(form, never))
        return depth

    def arguments(self, form: Form) -> list[Any]:
        """The arguments of a call."""
        strict = self.body.helpers[form[1]].strict
        depth = len(self.frame.refs)
        for at, part in enumerate(form[2:]):
            self.frame.push(self.given(part, at in strict))
        return self.pop(depth)

    def number(self, form: Form) -> int:
        """The value of an i32, signed."""
        value: Val = self.eval(form)
        return value.number

    def run_all(self, forms: tuple[Form, ...]) -> None:
        """Statements in order."""
        for form in forms:
            self.eval(form)

    # --- functions

    def invoke(self, function: Function, arguments: list[WasmValue], target: Target | None = None) -> WasmValue | None:
        """Run a function, or what a reference means, and those that are called in its place, each in its own frame."""
        while True:
            outside = self.body, self.home, self.own
            if target is not None:
                self.body, self.home, self.own = target[:3]
                function = self.body.helpers[target.helper]
            caller = self.frame, self.instance, self.strict, self.behind
            self.strict, self.behind = function.strict, function.behind
            self.frame = Frame((*arguments, *function.locals))
            self.instance = self.home.source if function.far else self.home
            self.store.frames.append(self.frame.refs)  # mutant w20: self.store.frames.append(self.frame.refs[:])
            try:
                self.point()
                if function is self.body.main:
                    self.own.invoked = 0
                self.run_all(function.statements)
                return None if function.result is None else self.given(function.result, function.strict_result)
            except Returned as left:
                if function.strict_result and not left.value:
                    raise Trap(NULL_REF) from None
                return left.value
            except TailCall as left:
                target, arguments = left.function, left.arguments
            finally:
                self.store.frames.pop()  # mutant w21: pass
                self.frame, self.instance, self.strict, self.behind = caller
                self.body, self.home, self.own = outside

    def point(self) -> None:
        """A check point: here a run ends that has used up what its store may use."""
        code = self.store.budget.spent()
        if code:
            raise Trap(code)
        self.own.points += 1

    def _call(self, form: Form) -> WasmValue | None:
        arguments = self.arguments(form)
        self.safepoint(form)
        return self.invoke(self.body.helpers[form[1]], arguments)

    _call_ref = _call_indirect = _call

    def _tail(self, form: Form) -> None:
        arguments = self.arguments(form)
        raise TailCall(self.target(form[1]), arguments)

    def target(self, helper: int) -> Target:
        """A helper of the body whose code runs."""
        return Target(self.body, self.home, self.own, helper)

    def _ref_func(self, form: Form) -> FunctionRef:
        known, target = self.store.functions, self.target(form[1])
        if target not in known:
            known.append(target)
        return FunctionRef.of(known.index(target) + 1)

    def _referred(self, form: Form) -> tuple[Target, list[Any]]:
        """The function and the arguments of a call by reference."""
        self.own.invoked += 1
        if self.own.invoked > MAX_INVOKED:
            raise Trap(UNREACHABLE)
        *arguments, of = self.values(form[2:])
        return self.store.functions[self.not_null(of).number - 1], arguments

    def _invoke(self, form: Form) -> WasmValue | None:
        target, arguments = self._referred(form)
        self.safepoint(form)
        return self.invoke(self.body.main, arguments, target)

    def _tail_invoke(self, form: Form) -> None:
        raise TailCall(*self._referred(form))

    _tail_ref = _tail_indirect = _tail

    def _return(self, form: Form) -> None:
        raise Returned(self.eval(form[1]) if len(form) > 1 else None)

    # --- variables

    def _get(self, form: Form) -> WasmValue:
        return self.frame.at(form[1])

    def _set(self, form: Form) -> None:
        self.frame.set(form[1], self.given(form[2], form[1] in self.strict))

    def _tee(self, form: Form) -> WasmValue:
        self._set(form)
        return self.frame.at(form[1])

    def _set2(self, form: Form) -> None:
        frame = self.frame
        depth = len(frame.refs)
        for place, part in zip(form[1:3], form[3:], strict=True):
            # mutant w31: if part[0] == "select": frame.numbers.append(self.eval(part)); frame.refs.append(0); continue
            # mutant w32: if "data" in part[0]: frame.numbers.append(self.eval(part)); frame.refs.append(0); continue
            frame.push(self.given(part, place in self.strict))
        one, other = self.pop(depth)
        self.frame.set(form[2], other)  # as on the operand stack: the last one first
        self.frame.set(form[1], one)

    def _drop(self, form: Form) -> None:
        self.eval(form[1])

    # --- control

    def _do(self, form: Form) -> None:
        self.run_all(form[1:])

    def _then(self, form: Form) -> WasmValue:
        self.run_all(form[1:-1])
        value: WasmValue = self.eval(form[-1])
        return value

    def _block(self, form: Form) -> None:
        depth = len(self.frame.refs)
        try:
            self.run_all(form[1:])
        except Branch as branch:
            if branch.level:
                raise Branch(branch.level - 1) from None  # mutant w27: pass
            self.frame.cut(depth)

    def _br(self, form: Form) -> None:
        raise Branch(form[1])

    def _br_if(self, form: Form) -> None:
        if self.number(form[2]):
            raise Branch(form[1])

    def _br_on_null(self, form: Form) -> None:
        if not self.eval(form[2]):
            raise Branch(form[1])

    def _br_table(self, form: Form) -> None:
        raise Branch(form[2 + min(self.number(form[1]) & U32, len(form) - 3)])

    def _if(self, form: Form) -> None:
        if self.number(form[1]):
            self.eval(form[2])
        elif len(form) > 3:
            self.eval(form[3])

    def _if_else(self, form: Form) -> Any:
        return self.eval(form[2] if self.number(form[1]) else form[3])

    def _select(self, form: Form) -> Any:
        one, other, condition = self.values(form[1:])
        return one if condition.number else other

    def _repeat(self, form: Form) -> None:
        for _ in range(form[1]):
            self.point()
            self.run_all(form[2:])

    def _unreachable(self, form: Form) -> None:
        raise Trap(UNREACHABLE)

    # --- numbers

    def _i32(self, form: Form) -> Val:
        return Val.i32(form[1])

    def _i64(self, form: Form) -> Val:
        return Val.i64(form[1])

    def _f32(self, form: Form) -> Val:
        return Val.f32(form[1])

    def _f64(self, form: Form) -> Val:
        return Val.f64(form[1])

    def _add(self, form: Form) -> Val:
        left, right = self.values(form[1:])
        return Val.i32(left.number + right.number)

    def _to_i32(self, form: Form) -> Val:
        value: Val = self.eval(form[1])
        if value.type in (Storage.F32, Storage.F64):
            return _saturated(value.as_float)
        return Val.i32(value.number)

    def _i31(self, form: Form) -> int:
        return (self.number(form[1]) << 1 | 1) & U32

    def _i31_get_s(self, form: Form) -> Val:
        payload = self._i31_get_u(form).number
        return Val.i32(payload - (payload & 0x4000_0000) * 2)  # mutant w04: return Val.i32(payload)

    def _i31_get_u(self, form: Form) -> Val:
        return Val.i32(self.not_null(self.eval(form[1])) >> 1)

    def not_null(self, ref: Any) -> Any:
        """The reference. Traps on null."""
        if not ref:
            raise Trap(NULL_REF)
        return ref

    # --- the host's functions

    def _see(self, form: Form) -> None:
        self.host.see(self.eval(form[1]))

    def _note(self, form: Form) -> None:
        self.host.note(self.number(form[1]))

    def _gc(self, form: Form) -> None:
        self.safepoint(form)
        self.host.gc()

    def _clear(self, form: Form) -> None:
        self.host.clear()

    def _new(self, form: Form) -> int:
        self.safepoint(form)
        return self.host.new()

    def _cb(self, form: Form) -> int:
        ref: int = self.eval(form[1])
        self.safepoint(form)
        return self.host.call_back(ref)

    def _pass(self, form: Form) -> int:
        return self.host.give_back(self.eval(form[1]))


def _saturated(value: float) -> Val:
    """A float cut to an integer that an i32 can hold; NaN is 0."""
    if value != value:
        return Val.i32(0)
    return Val.i32(I32_MAX if value >= I32_MAX else I32_MIN if value <= I32_MIN else int(value))
