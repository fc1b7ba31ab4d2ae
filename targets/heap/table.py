"""Tables of references (`docs/spec/wasm-ops.md` 6.2)."""

import enum
from typing import TYPE_CHECKING, Any, Final, Generic

from twinheap.targets.heap.errors import WRONG_STORE, GrowFailed, HeapPanic, LimiterError, OutOfBounds, TypeMismatch
from twinheap.targets.heap.handle import Handle, T
from twinheap.targets.heap.limits import ResourceLimiter
from twinheap.targets.heap.rooted import Rooted
from twinheap.targets.heap.slots import fits, read_slot, slot_value

if TYPE_CHECKING:
    from twinheap.targets.heap.store import Store

ELEMENT_CONTEXT: Final = "type mismatch: value does not match table element type"
COPY_CONTEXT: Final = "type mismatch: source table's element type does not match destination table's element type"
MAX_ELEMENTS: Final = (1 << 32) - 1  # tables are indexed by 32-bit numbers


class Absent(enum.Enum):
    """What `Table.get` gives outside the table, where None would mean null."""

    ABSENT = "absent"


class Table(Generic[T]):
    """A table of externrefs or anyrefs that the host made: each slot is a root while the store lives.

    `minimum` and `maximum` count slots; every slot starts as `init`.

    >>> from twinheap.targets.heap import ExternRef, Store, Table
    >>> store = Store("drc")
    >>> table = Table(store, ExternRef, 2)
    >>> table.grow(store, 2, ExternRef.new(store, "new")), table.size(store)
    (2, 4)
    >>> table.get(store, 1) is None, table.get(store, 3).data(store), table.get(store, 4)
    (True, 'new', <Absent.ABSENT: 'absent'>)
    """

    __slots__ = ("elements", "heap_type", "maximum", "store_id")

    def __init__(
        self,
        store: "Store",
        heap_type: type[T],
        minimum: int,
        init: Handle[Any] | None = None,
        *,
        maximum: int | None = None,
    ) -> None:
        store.require_sync()
        self.store_id = store.id
        self.heap_type = heap_type
        self.maximum = maximum
        self.elements: list[int] = []
        if not self._growth_allowed(store, minimum):
            raise LimiterError(f"table minimum size of {minimum} elements exceeds table limits")
        ref = self._value(store, init)
        self.elements += [0] * minimum
        store.tables.append(self.elements)
        self.write(store, range(minimum), [ref] * minimum)

    def _check_store(self, store: "Store") -> None:
        if store.id is not self.store_id:
            raise HeapPanic(WRONG_STORE)

    def _value(self, store: "Store", value: Handle[Any] | None) -> int:
        return slot_value(store, value, self.heap_type, ELEMENT_CONTEXT, "reference used with wrong store")

    def _check_range(self, start: int, count: int) -> None:
        if start < 0 or count < 0 or start + count > len(self.elements):
            raise OutOfBounds

    def write(self, store: "Store", places: range, refs: list[int]) -> None:
        """Write slot by slot, in the order of `places`, each with its own barrier."""
        elements = self.elements
        # mutant m39: store.clone_ref(refs[0]) if refs and refs[0] else None
        for place, ref in zip(places, refs, strict=True):
            # mutant m39 below: elements[place] = ref
            store.write_slot(elements, place, ref)
        if store.verifying:
            store.verify()

    def size(self, store: "Store") -> int:
        """Number of slots. Panics with another store."""
        self._check_store(store)
        return len(self.elements)

    def get(self, store: "Store", index: int) -> Rooted[T] | Absent | None:
        """The element as a new LIFO root, None for null, `Absent.ABSENT` outside the table."""
        self._check_store(store)
        if not 0 <= index < len(self.elements):  # mutant t15: if not 0 <= index <= len(self.elements):
            return Absent.ABSENT
        return read_slot(store, self.elements, index, self.heap_type)

    def set(self, store: "Store", index: int, value: Handle[Any] | None) -> None:
        """Replace one element; the old one may be finalized right here.

        Raises `TypeMismatch`, `Unrooted`, then `OutOfBounds`, and then changes nothing.
        """
        self._check_store(store)
        ref = self._value(store, value)
        self._check_range(index, 1)
        store.write_slot(self.elements, index, ref)
        if store.verifying:
            store.verify()

    def grow(self, store: "Store", delta: int, init: Handle[Any] | None = None) -> int:
        """Append `delta` slots holding `init`; the previous size. By 0 slots always succeeds.

        Raises `LimiterError` if the store's limiter may wait, `TypeMismatch`, `Unrooted`,
        `GrowFailed` if limiter or maximum refuse, and whatever the limiter raises.
        """
        self._check_store(store)
        store.require_sync()
        ref = self._value(store, init)
        size = self.grow_by(store, delta, ref)
        if size < 0:
            raise GrowFailed(f"failed to grow table by `{delta}`")
        return size

    def grow_by(self, store: "Store", delta: int, ref: int) -> int:
        """Append `delta` slots holding a reference; the previous size, or -1 if limiter or maximum refuse."""
        size = len(self.elements)
        if not delta:
            return size
        if not self._growth_allowed(store, size + delta):
            return -1  # mutant t02: pass
        self.elements += [0] * delta
        self.write(store, range(size, size + delta), [ref] * delta)
        return size

    def _growth_allowed(self, store: "Store", desired: int) -> bool:
        limiter = store.limiter
        if isinstance(limiter, ResourceLimiter) and not limiter.table_growing(
            len(self.elements), desired, self.maximum
        ):
            return False
        return desired <= (MAX_ELEMENTS if self.maximum is None else self.maximum)

    def fill(self, store: "Store", start: int, value: Handle[Any] | None, count: int) -> None:
        """Set `count` elements from `start` on, ascending. Errors as `set`, checked before any write."""
        self._check_store(store)
        ref = self._value(store, value)
        self._check_range(start, count)
        self.write(store, range(start, start + count), [ref] * count)

    @staticmethod
    def copy(store: "Store", target: "Table[Any]", to: int, source: "Table[Any]", start: int, count: int) -> None:
        """Copy `count` elements as if through a buffer.

        Raises `TypeMismatch` if the source's elements do not fit, `OutOfBounds` before any write.
        """
        target._check_store(store)
        source._check_store(store)
        if not fits(source.heap_type, target.heap_type):
            raise TypeMismatch(COPY_CONTEXT)
        source._check_range(start, count)
        target._check_range(to, count)
        if source is target and to == start:
            return  # not even the barriers run
        elements = source.elements
        # The order shows in the finalizers: towards the end of the same table it goes backwards.
        backwards = source is target and to > start  # mutant t01: backwards = False
        offsets = range(count - 1, -1, -1) if backwards else range(count)
        for offset in offsets:
            store.write_slot(target.elements, to + offset, elements[start + offset])
        if store.verifying:
            store.verify()
