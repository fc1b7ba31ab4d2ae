"""Frames of interpreted Wasm, and the ways to leave them (`docs/spec/wasm-ops.md` 6.1, 6.5).

A frame's references lie in a list that the store knows, so that a collection finds and rewrites them: precise roots,
as compiled code has them through its stack maps. At each safepoint the frame lets go of what is not read any more.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from twinheap.targets.heap.errors import HeapError
from twinheap.targets.heap.values import Val

WasmValue = int | Val
"""A raw reference (0 is null), or a number."""

TABLE_OOB: Final = "table_oob"
NULL_REF: Final = "null_ref"
CAST: Final = "cast"
ARRAY_OOB: Final = "array_oob"
MEMORY_OOB: Final = "memory_oob"
TOO_LARGE: Final = "too_large"
UNREACHABLE: Final = "unreachable"


class Trap(HeapError):
    """Wasm stopped; `code` says why, as docs/bodies.md names it."""

    def __init__(self, code: str) -> None:
        super().__init__(f"wasm trap: {code}")
        self.code = code


class Branch(Exception):
    """On its way to an enclosing block: so many further ones have to be left after the next."""

    def __init__(self, level: int) -> None:
        self.level = level


class Returned(Exception):
    """On its way to the function's end, with its result."""

    def __init__(self, value: WasmValue | None) -> None:
        self.value = value


class Own:
    """What an instance of a body has of its own: the cells of its private globals, and its passive segments.

    The list of a segment is empty once it was dropped. `points`: how many check points its runs have passed;
    `invoked`: how many functions its code called by reference since its last run began.
    """

    __slots__ = ("globals", "invoked", "points", "segments", "tables")

    def __init__(self) -> None:
        self.points = 0
        self.invoked = 0
        self.globals: list[list[int]] = []
        self.segments: list[list[int]] = []
        self.tables: list[Any] = []  # of objects, or of functions


class Target(NamedTuple):
    """What a reference to a function means: a helper, of a body in an instance of the kit, and what it has there."""

    body: Any
    home: Any
    own: Own
    helper: int


class TailCall(Exception):
    """On its way to the function's end, and then into another one, with the arguments."""

    def __init__(self, function: Target, arguments: list[WasmValue]) -> None:
        self.function = function
        self.arguments = arguments


class Frame:
    """The variables of one activation, then its operands that wait; references and numbers side by side.

    >>> frame = Frame([16, Val.i32(7)])
    >>> frame.push(32)
    >>> frame.refs, frame.at(1).number
    ([16, 0, 32], 7)
    """

    __slots__ = ("numbers", "refs")

    def __init__(self, variables: Sequence[WasmValue]) -> None:
        self.refs: list[int] = []  # 0 in the places of numbers
        self.numbers: list[Val | None] = []
        for value in variables:
            self.push(value)

    def push(self, value: WasmValue) -> None:
        """One operand more."""
        if isinstance(value, Val):
            self.refs.append(0)
            self.numbers.append(value)
        else:
            self.refs.append(value)
            self.numbers.append(None)

    def at(self, place: int) -> WasmValue:
        """What is there; a reference as it is now, since a collection may have moved it."""
        number = self.numbers[place]
        return self.refs[place] if number is None else number

    def number_at(self, place: int) -> int:
        """The number that is there."""
        number = self.numbers[place]
        assert number is not None
        return number.number

    def set(self, place: int, value: WasmValue) -> None:
        """Put another value of the same type there."""
        if isinstance(value, Val):
            self.numbers[place] = value
        else:
            self.refs[place] = value

    def cut(self, depth: int) -> None:
        """Forget the operands from `depth` on."""
        del self.refs[depth:], self.numbers[depth:]
