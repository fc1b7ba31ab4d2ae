"""What slots hold beside handles: globals, tables, raw values, errors, fills, futures (docs/spec/program-ir.md 8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from twinheap.model.entities import Obj, Ref, Stored
from twinheap.model.roots import Handle, OwnedRoot

if TYPE_CHECKING:
    from twinheap.model.state import Store

EMPTY: Final = None
"""What a slot holds whose producer gave nothing: ops on it are skipped."""


class Cell:
    """A global."""

    __slots__ = ("mutable", "ref", "store", "type")

    def __init__(self, store: Store, type_: int, mutable: bool, ref: Ref) -> None:
        self.store, self.type, self.mutable, self.ref = store, type_, mutable, ref


class Table:
    """A table; `maximum` -1 is none. `wide`: its indexes have 64 bits."""

    __slots__ = ("maximum", "refs", "store", "type", "wide")

    def __init__(self, store: Store, type_: int, maximum: int, refs: list[Ref]) -> None:
        self.store, self.type, self.maximum, self.refs = store, type_, maximum, refs
        self.wide = False


def offered(ref: Stored) -> None:
    """A value reaches the runtime's own code for tables, whether or not that writes it anywhere (K14)."""
    if isinstance(ref, Obj):
        ref.tabled = True


class Raw:
    """A raw value."""

    __slots__ = ("ref", "store")

    def __init__(self, store: Store, ref: Ref) -> None:
        self.store, self.ref = store, ref


class Error:
    """A kept out-of-memory error and the host value in it."""

    __slots__ = ("store", "value")

    def __init__(self, store: Store, value: int) -> None:
        self.store, self.value = store, value


class Fill:
    """The owned roots of a fill; None where one was freed."""

    __slots__ = ("roots", "store")

    def __init__(self, store: Store, roots: list[OwnedRoot | None]) -> None:
        self.store, self.roots = store, roots


class Future:
    """A pending operation: a collection, or the allocation of `obj` into slot `handle` (or its error into `error`).

    `due` is what was dead when it began, `live` what was not: what dies meanwhile may still take room. `trims`: the
    roots that the trim at its beginning takes away. `fits`: in exact mode, whether the allocation will succeed.
    `first`: it makes the heap, so that there may be none if it is cancelled. `refused`: the limiter will not let it.
    """

    __slots__ = ("due", "error", "first", "fits", "handle", "live", "obj", "refused", "store", "trims")

    def __init__(self, store: Store, due: list[Obj], obj: Obj | None = None, handle: int = -1, error: int = -1) -> None:
        self.store = store
        self.due = due
        self.obj = obj
        self.handle = handle
        self.error = error
        self.live = store.live
        self.trims = store.dropped_casts() if store.heap else []
        self.first = False
        self.refused = False
        self.fits: bool | None = None


class SegmentState:
    """A passive element segment of a body in one instance: what is in it, nothing once it was dropped."""

    __slots__ = ("refs", "used")

    def __init__(self, refs: list[Ref]) -> None:
        self.refs = refs
        self.used = False  # items were read from it


class BodyState:
    """What an instance of a body has of its own: private globals, tables and passive segments.

    `invoked`: how many functions its code called by reference since its last run began. `points`: the check points that
    its runs passed. `drifts`: its runs of which nobody knows how far they came.
    """

    __slots__ = ("drifts", "globals", "invoked", "points", "segments", "tables")

    def __init__(self) -> None:
        self.points = 0
        self.invoked = 0
        self.drifts = 0
        self.globals: list[Cell] = []
        self.segments: list[SegmentState] = []
        self.tables: list[Table] = []


class Instance:
    """An instance of the kit: its globals and tables, and the instance of each body that ran on it.

    `tags`: what stands for its tags: those of other instances, and the host's, are different ones, unless it has them
    of its `source`. That is the instance which it was linked with, where the far helpers of its bodies live; or itself.
    """

    __slots__ = ("_exporter", "bodies", "globals", "store", "tables", "tags")

    def __init__(self, store: Store, globals_: list[Cell], tables: list[Table]) -> None:
        self.store = store
        self.globals = globals_
        self.tables = tables
        self.bodies: dict[int, BodyState] = {}
        self.tags = object()
        self._exporter: Instance | None = None

    @property
    def source(self) -> Instance:
        """The instance which it was linked with, or itself."""
        return self._exporter or self

    def link(self, exporter: Instance, kinds: Sequence[str]) -> None:
        """Imports what another instance exports of `kinds` (`kit.SHARES`), instead of having its own."""
        self._exporter = exporter
        self.globals = exporter.globals if "g" in kinds else self.globals
        self.tables = exporter.tables if "t" in kinds else self.tables
        self.tags = exporter.tags if "tag" in kinds else self.tags


class Callback:
    """A callback that runs: the run's store, its argument, a root of what it will return, and how else it will end.

    `ending`: "" (it returns), "trap" or "exn". `exn`: a root of the exception that it will throw; if there is none, it
    will be what is pending then.
    """

    __slots__ = ("arg", "ending", "exn", "returns", "store")

    def __init__(self, store: Store, arg: Ref) -> None:
        self.store = store
        self.arg = arg
        self.returns: OwnedRoot | None = None
        self.ending = ""
        self.exn: OwnedRoot | None = None


Content = None | Handle | Cell | Table | Raw | Error | Fill | Future | Instance
"""What a slot other than a store's holds."""
