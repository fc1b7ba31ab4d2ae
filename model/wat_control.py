"""The code of a body as Wasm in the text format, second part: control flow, calls and exceptions (docs/bodies.md).

`br` counts the blocks of the language only, so every block of the text has a label. Code behind a jump is dead and
polymorphic in Wasm: it is valid whenever it would be valid elsewhere.
"""

from __future__ import annotations

from twinheap.model.body import Tree
from twinheap.model.body_env import MAX_INVOKED
from twinheap.model.body_forms import NON_NULL_PREFIX
from twinheap.model.wat_code import TAG_TYPES, Code, Form, Function, not_null, value_type


class FullFunction(Function):
    """Everything that a form can be."""

    strict_result = False
    """Whether the function's result is never null."""

    def _block(self, *statements: Form) -> Code:
        label = self._label()
        self._labels.append(label)
        inner = self._texts(statements)
        self._labels.pop()
        return f"(block {label}{inner})", ""

    def _to(self, level: Form) -> str:
        return self._labels[-1 - int(str(level))]

    def _br(self, level: int) -> Code:
        return f"(br {self._to(level)})", ""

    def _br_if(self, level: int, condition: Form) -> Code:
        return f"(br_if {self._to(level)}{self._texts((condition,))})", ""

    def _br_on_null(self, level: int, value: Form) -> Code:
        return f"(drop (br_on_null {self._to(level)}{self._texts((value,))}))", ""

    def _br_table(self, index: Form, *levels: int) -> Code:
        return f"(br_table {' '.join(map(self._to, levels))}{self._texts((index,))})", ""

    def _do(self, *statements: Form) -> Code:
        return self._texts(statements).strip(), ""

    def _if(self, condition: Form, *arms: Form) -> Code:
        test = self._texts((condition,))
        written = "".join(f" ({name}{self._texts((arm,))})" for name, arm in zip(("then", "else"), arms, strict=False))
        return f"(if{test}{written})", ""

    def _if_else(self, condition: Form, one: Form, other: Form) -> Code:
        test = self._texts((condition,))
        (first, of), (second, _) = self.code(one), self.code(other)
        return f"(if (result {value_type(of)}){test} (then {first}) (else {second}))", of

    def _select(self, one: Form, other: Form, condition: Form) -> Code:
        first, of = self.code(one)
        return f"(select (result {value_type(of)}) {first}{self._texts((other, condition))})", of

    def _then(self, *parts: Form) -> Code:
        before = self._texts(parts[:-1])
        last, of = self.code(parts[-1])
        return f"(block (result {value_type(of)}){before} {last})", of

    def _repeat(self, times: int, *statements: Form) -> Code:
        label, counter = self._label(), f"$c{self._depth}"
        self._depth += 1
        self.counters = max(self.counters, self._depth)
        inner = self._texts(statements)
        self._depth -= 1
        down = f"(br_if {label} (local.tee {counter} (i32.sub (local.get {counter}) (i32.const 1))))"
        return f"(local.set {counter} (i32.const {times})) (loop {label}{self._uses.passed}{inner} {down})", ""

    # --- calls

    def _call(self, helper: int, *operands: Form) -> Code:
        return f"(call $h{helper}{self._arguments(helper, operands)})", self._result(helper)

    def _arguments(self, helper: int, operands: tuple[Form, ...]) -> str:
        params = self._uses.helpers[helper][0]
        texts = zip(params, (self.code(part)[0] for part in operands), strict=True)
        return "".join(" " + not_null(text, of.startswith(NON_NULL_PREFIX)) for of, text in texts)

    def _result(self, helper: int) -> str:
        return self._uses.helpers[helper][1].removeprefix(NON_NULL_PREFIX)

    def _return(self, *value: Form) -> Code:
        texts = [not_null(self.code(part)[0], self.strict_result) for part in value]
        return f"(return{''.join(' ' + text for text in texts)})", ""

    def _call_ref(self, helper: int, *operands: Form) -> Code:
        return self._by_reference("call_ref", helper, operands)

    def _call_indirect(self, helper: int, *operands: Form) -> Code:
        return self._through_table("call_indirect", helper, operands)

    def _tail(self, helper: int, *operands: Form) -> Code:
        return f"(return_call $h{helper}{self._arguments(helper, operands)})", ""

    def _tail_ref(self, helper: int, *operands: Form) -> Code:
        return self._by_reference("return_call_ref", helper, operands)[0], ""

    def _tail_indirect(self, helper: int, *operands: Form) -> Code:
        return self._through_table("return_call_indirect", helper, operands)[0], ""

    def _by_reference(self, instruction: str, helper: int, operands: tuple[Form, ...]) -> Code:
        self._uses.references = True
        text = (
            f"({instruction} {self._uses.type_name(helper)}{self._arguments(helper, operands)} (ref.func $h{helper}))"
        )
        return text, self._result(helper)

    def _through_table(self, instruction: str, helper: int, operands: tuple[Form, ...]) -> Code:
        self._uses.references = True
        place = self._uses.listed.index(helper)
        of = self._uses.type_name(helper)
        text = f"({instruction} $helpers (type {of}){self._arguments(helper, operands)} (i32.const {place}))"
        return text, self._result(helper)

    def _ref_func(self, helper: int) -> Code:
        self._uses.references = True
        return f"(ref.func $h{helper})", self._uses.declared_as[helper] or "func"

    def _invoke(self, of: str, *operands: Form) -> Code:
        given = self._uses.types.functions[of].result or ""
        text = self._invoked("call_ref", of, operands)
        return (f"(block (result {value_type(given)}) {text})" if given else text), given

    def _tail_invoke(self, of: str, *operands: Form) -> Code:
        return self._invoked("return_call_ref", of, operands), ""

    def _invoked(self, instruction: str, of: str, operands: tuple[Form, ...]) -> str:
        """A call by reference, of which there may be so many in a run."""
        self._uses.invokes = True
        count = "(global.set $invoked (i32.add (global.get $invoked) (i32.const 1)))"
        most = f"(if (i32.gt_u (global.get $invoked) (i32.const {MAX_INVOKED})) (then (unreachable)))"
        return f"{count} {most} ({instruction} ${of}{self._texts(operands)})"

    # --- exceptions

    def _try(self, clause: Tree, *statements: Form) -> Code:
        """The clause jumps out of an inner block, with the payload on the stack; the end of the statements further."""
        kind = str(clause[0])
        named = kind in ("catch", "catch_ref")
        payload = TAG_TYPES[str(clause[1])] if named else ()
        payload += ("exn",) if kind.endswith("_ref") else ()
        tag = f"{self._tag(str(clause[1]))} " if named else ""
        after, caught = self._label(), self._label()
        results = "".join(f" (result {value_type(of)})" for of in payload)
        inner = f"(try_table ({kind} {tag}{caught}){self._texts(statements)}) (br {after})"
        stores = "".join(self._taken(variable) for variable in reversed(clause[2 if named else 1 :]))
        return f"(block {after} (block {caught}{results} {inner}){stores})", ""

    def _taken(self, variable: Form) -> str:
        return f"{' (ref.as_non_null)' * (variable in self._strict)} (local.set {variable})"
