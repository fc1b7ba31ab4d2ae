"""Who holds what in a store: the three-valued verdict on each object (semantics.md 4.1, 4.2).

An object with a strong holder is LIVE. One without is in its store's `dead`: MAYBE now, DUE at the next full
collection. Objects that a known defect keeps are moved to `leaked`, so that each is reported once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from twinheap.model.bounds import Bounds
from twinheap.model.counts import Exact
from twinheap.model.entities import Obj, Ref, Stored
from twinheap.model.layout import block
from twinheap.model.profiles import Profile

MARKS: Final = ("tainted", "caught", "tabled", "copied", "halfway", "taken", "hosted", "orphaned")
"""Predicates of defects that leak an object: what it holds leaks with it (4.2)."""


class Holders:
    """The objects of a store and how many holders each has; what a defect leaves out of that count."""

    def __init__(self, profile: Profile, limit: int) -> None:
        self.profile = profile
        self.objects: dict[int, Obj] = {}  # not finalized
        self.dead: dict[int, Obj] = {}
        self.leaked: dict[int, Obj] = {}
        self.unsafe: set[str] = set()  # defects that came to harm here: memory may be used wrongly from then on
        self.fresh: set[str] = set()  # those of the last run
        self.uncounted: dict[int, tuple[Obj, set[str]]] = {}  # objects with a holder that was not counted, and why
        self.small = False  # there was an object of the smallest size, and nothing was freed since (K25)
        self.ever = 0  # the blocks of all objects that were ever made
        self.bytes = 0  # the blocks of `objects`, and what was given back half-made under NULL
        self.made = False  # an allocation succeeded
        self.empty = True  # the heap has certainly 0 bytes
        self.runs: list[Callable[[], list[Stored]]] = []  # for each run that is going on: what its frames may need
        self.exact = profile.exact
        self.bounds = Bounds(profile.collector, limit, profile.fixed_capacity)
        self.counts: Exact | None = None  # for as long as it is exact

    # --- 4.1 holders

    def block(self, obj: Obj) -> int:
        """The bytes that an object takes."""
        return block(self.profile.collector, obj)

    def hold(self, ref: Ref) -> None:
        """One more strong holder."""
        if type(ref) is Obj:
            ref.holders += 1  # first: it may hold itself
            if ref.lost:
                self._hurt(ref)
            if ref.holders == 1 and not ref.inside:
                self._revive(ref)

    def let_go(self, ref: Ref) -> None:
        """One strong holder less; without any, the object is MAYBE, and what only it held."""
        if type(ref) is Obj:
            ref.holders -= 1
            if ref.missing:
                self._undercut(ref)
            if not ref.holders and not ref.inside:
                self._die(ref)

    def add(self, obj: Obj) -> None:
        """A fresh object, which nothing holds yet: its cells count once something does."""
        self.objects[obj.value] = obj
        self.dead[obj.value] = obj
        size = self.block(obj)
        self.bytes += size
        self.ever += size
        self.made, self.empty = True, False

    def remove(self, obj: Obj) -> None:
        """The object is gone for certain."""
        if self.objects.pop(obj.value, None) is not None:
            self.bytes -= self.block(obj)
        self.dead.pop(obj.value, None)
        self.leaked.pop(obj.value, None)

    def write_cell(self, obj: Obj, at: int, new: Stored) -> None:
        """A cell of `obj` is overwritten. Counts are the caller's business."""
        old = obj.write(at, new)
        if type(old) is Obj and old.missing and not obj.held:
            self._undercut(old)  # what only frames know counts what it holds, too
        if obj.held:
            self._enter(new)
            self._leave(old)

    def _enter(self, cell: Stored) -> None:
        if type(cell) is Obj:
            cell.inside += 1
            if cell.inside == 1 and not cell.holders:
                self._revive(cell)

    def _leave(self, cell: Stored) -> None:
        if type(cell) is Obj:
            cell.inside -= 1
            if cell.missing:
                self._undercut(cell)
            if not cell.holders and not cell.inside:
                self._die(cell)

    def _die(self, obj: Obj) -> None:
        """Without recursion, since chains are long. What a leaking object holds leaks with it (4.2)."""
        pending = [obj]
        while pending:
            dying = pending.pop()
            if not dying.finalized:
                self.dead[dying.value] = dying
            if self.small:
                self.harm("K25")
            for child in dying.children():
                child.inside -= 1
                child.orphaned = True
                if child.missing:
                    self._undercut(child)
                _spread(dying, child)
                if not child.held:
                    pending.append(child)

    def _revive(self, obj: Obj) -> None:
        pending = [obj]
        while pending:
            revived = pending.pop()
            self.dead.pop(revived.value, None)
            self.leaked.pop(revived.value, None)
            for child in revived.children():
                if not child.held:
                    pending.append(child)
                child.inside += 1

    def reachable(self) -> set[int]:
        """The numbers of all objects that roots and slots reach: what cycles hold alone is not there (4.2)."""
        pending = [obj for obj in self.objects.values() if obj.holders]
        found = {obj.value for obj in pending}
        while pending:
            for child in pending.pop().children():
                if child.value not in found:
                    found.add(child.value)
                    pending.append(child)
        return found

    def garbage(self) -> list[Obj]:
        """What the next full collection must free: under COPYING also what cycles hold alone, under DRC never (4.2)."""
        if self.runs:  # nobody knows what frames still need
            return []
        if self.profile.collector == "copying" and self.bounds.mixed:
            self._break_cycles()
        elif self.bounds.mixed:
            self._keep_cycles()
        return list(self.dead.values())

    def _keep_cycles(self) -> None:
        """Dead objects on a cycle or under one stay, and take room: their counts never reach zero."""
        counts = dict.fromkeys(self.dead, 0)
        for obj in self.dead.values():
            for child in obj.children():
                if child.value in counts:
                    counts[child.value] += 1
        free = [obj for obj in self.dead.values() if not counts[obj.value]]
        for obj in free:  # it grows on the way
            del counts[obj.value]
            for child in obj.children():
                if child.value in counts:
                    counts[child.value] -= 1
                    if not counts[child.value]:
                        free.append(child)
        for value in counts:
            del self.dead[value]

    def _break_cycles(self) -> None:
        found = self.reachable()
        lost = [obj for obj in self.objects.values() if obj.held and obj.value not in found]
        for obj in lost:
            for child in obj.children():
                child.inside -= 1
                if child.value not in found:
                    _spread(obj, child)
        self.dead.update((obj.value, obj) for obj in lost)

    # --- known defects that free what is in use

    def harm(self, name: str) -> None:
        """A defect came to harm, if the release has it: from here on memory may be used wrongly."""
        if name in self.profile.defects:
            self.unsafe.add(name)
            self.fresh.add(name)
            self.forget_exactness()

    def uncount(self, ref: Ref, name: str, holders: int = 1) -> None:
        """A defect leaves out the counts of `holders` of an object. It does harm once no other holder is left."""
        if type(ref) is Obj and name in self.profile.defects and self.profile.collector == "drc":
            ref.missing += holders
            self.uncounted.setdefault(ref.value, (ref, set()))[1].add(name)

    def _undercut(self, obj: Obj) -> None:
        """A holder of an object with uncounted ones is gone: without a counted one it is freed, listed or not."""
        if obj.holders + obj.inside <= obj.missing:
            self._hurt(obj)

    def _hurt(self, obj: Obj) -> None:
        for name in self.uncounted[obj.value][1]:
            self.harm(name)

    def forget_exactness(self) -> None:
        """From here on this store is judged portably: what happened inside is not predictable."""
        self.exact = False
        self.counts = None


def _spread(dying: Obj, child: Obj) -> None:
    """What a leaking object holds leaks with it."""
    for mark in MARKS:
        if getattr(dying, mark):
            setattr(child, mark, True)


def closure(refs: Iterable[Stored]) -> list[Obj]:
    """The objects that references reach, themselves included."""
    found = {ref.value: ref for ref in refs if type(ref) is Obj}
    pending = list(found.values())
    while pending:
        for child in pending.pop().children():
            if child.value not in found:
                found[child.value] = child
                pending.append(child)
    return list(found.values())
