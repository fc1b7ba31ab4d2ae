"""The host-data table: boxed host values, addressed by the id that an externref object carries.

Ids are dense and reused last-freed-first (`docs/spec/semantics.md` 1.1), which shows in the order
of the finalizers at store drop. The table is the only place that finalizes.
"""

from collections.abc import Callable
from typing import Final


class HostData:
    """The box around one host value: what `data_mut` hands out, shared by every alias of the object."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


VACANT: Final = HostData(None)  # marks an entry without value; never handed out


class HostDataTable:
    """Slab of boxed host values.

    `on_finalize` is called with each value at the moment the heap drops it, and must not come
    back into the store (section 4.4 rule 5).
    """

    __slots__ = ("entries", "finalizing", "on_finalize", "vacant")

    def __init__(self, on_finalize: Callable[[object], None] | None) -> None:
        self.entries: list[HostData] = []
        self.vacant: list[int] = []
        self.on_finalize = on_finalize
        self.finalizing = False

    def alloc(self, box: HostData) -> int:
        """Put a box into the table and return its id."""
        if self.vacant:
            data_id = self.vacant.pop()
            self.entries[data_id] = box
            return data_id
        self.entries.append(box)
        return len(self.entries) - 1

    def take(self, data_id: int) -> HostData:
        """Take a box out again, without finalizing it."""
        box = self.entries[data_id]
        self.entries[data_id] = VACANT
        self.vacant.append(data_id)
        return box

    def free(self, data_id: int) -> None:
        """The object of this id died: finalize its host value. The id is free before the finalizer runs."""
        box = self.entries[data_id]
        self.entries[data_id] = VACANT
        self.vacant.append(data_id)
        # mutant m32: self.vacant.append(data_id)
        self.finalize(box.value)

    def finalize(self, value: object) -> None:
        """Report the end of a host value."""
        if self.on_finalize is None:
            return
        self.finalizing = True
        try:
            self.on_finalize(value)
        finally:
            self.finalizing = False

    def drop_all(self) -> None:
        """Finalize every remaining value in ascending id (section 3.6)."""
        entries, self.entries, self.vacant = self.entries, [], []
        for box in entries:
            if box is VACANT:
                continue  # mutant m40: break
            self.finalize(box.value)
