"""What fits into the heap of a store: its limiter, and portable mode's answer (semantics.md 1.5, program-ir.md 8.3)."""

from __future__ import annotations

from typing import Final

from twinheap.model.bounds import Load
from twinheap.model.entities import PAGE, Obj, Ref
from twinheap.model.holders import Holders, closure
from twinheap.model.layout import needed
from twinheap.model.ops import INT_KINDS
from twinheap.model.profiles import Profile

LIMIT: Final = INT_KINDS["answer"].names.index("limit")
"""The answer of a limiter that goes by its limit."""

ROOM: Final = PAGE // 2
"""Bytes that every heap has before an allocation must collect: half a page, as copying heaps have two halves (1.5)."""


class Room(Holders):
    """What a store's heap has room for, beside what is alive in it and what may be there unknown to us."""

    def __init__(self, profile: Profile, limit: int, limiter: int) -> None:
        super().__init__(profile, limit)
        self.limit = limit
        self.limiter = limiter
        self.answer = LIMIT  # how the limiter answers (1.5)
        self.unmade = False  # segments have items that are made when they are used, so that they may take no room yet
        self.abandoned = Load(0, 0)  # what bodies made that could not be instantiated: it may stay
        self.litter = Load(0, 0)  # what may have been made and left, unknown to us, where nothing is collected

    # --- the limiter (1.5)

    def set_limit(self, limit: int) -> None:
        """A new limit; the heap never shrinks."""
        self.limit = limit
        self.bounds.set_limit(self.allowed)

    def set_answer(self, answer: int) -> None:
        """From now on the limiter answers so: by the limit, no, or with an error. The last two are alike to growth."""
        self.answer = answer
        self.bounds.set_limit(self.allowed)

    @property
    def allowed(self) -> int:
        """The bytes that the limiter lets the heap grow to, or `UNLIMITED`."""
        return self.limit if self.answer == LIMIT else 0

    # --- what fits (program-ir.md 8.3 rule 4)

    @property
    def live(self) -> Load:
        """What a full collection must leave (under NULL: everything, dead or not), leaks aside."""
        if self.profile.collector == "null":
            return Load(len(self.objects), self.bytes)
        gone = [*self.dead.values(), *self.leaked.values()] if self.bounds.mixed else []
        bytes_ = self.bytes - sum(map(self.block, gone)) if self.bounds.mixed else 0
        return Load(len(self.objects) - len(self.dead) - len(self.leaked), bytes_)

    @property
    def most_live(self) -> Load:
        """What a full collection may leave: also what the frames of runs may need."""
        live = self.live
        if not self.runs or self.profile.collector == "null":
            return live
        reached = closure(ref for run in self.runs for ref in run())
        extra = [kept for kept in reached if not kept.finalized and (not kept.held or kept.value in self.leaked)]
        return Load(live.objects + len(extra), live.bytes + sum(self.block(kept) for kept in extra))

    def must_fit(self, obj: Obj, live: Load) -> bool:
        """Whether a fresh `obj` fits for certain beside `live`, once everything dead is collected."""
        beside = live
        for extra in (self.litter, self.abandoned):
            beside = Load(beside.objects + extra.objects, beside.bytes + extra.bytes)
        return self.bounds.must_fit(beside, obj.size or self.block(obj))

    def abandon(self, objects: list[Obj]) -> None:
        """Objects of an instance that was not finished: whether they stay is not known, nor can it be seen."""
        before = self.abandoned
        bytes_ = sum(self.block(obj) for obj in objects)
        self.abandoned = Load(before.objects + len(objects), before.bytes + bytes_)

    def may_be_left(self, obj: Obj, count: int = 1) -> None:
        """Up to `count` such objects may have been made that nothing holds; under NULL they take room for ever."""
        if self.profile.collector == "null":
            self.litter = Load(self.litter.objects + count, self.litter.bytes + count * self.block(obj))

    def may_hold(self) -> bool:
        """Whether all that is alive can be in the heap at all."""
        bounds = self.bounds
        if (
            bounds.unlimited
            or self.runs
            or self.unmade
            or (bounds.mixed and bounds.may_fit(Load(len(self.objects), self.bytes)))
        ):
            return True
        if bounds.mixed:
            self.garbage()
        return bounds.may_fit(self.live)

    def refused(self, obj: Obj) -> None:
        """An allocation ran out of memory; the heap may have grown all the same."""
        if self.bounds.grows_from_empty(needed(self.profile.collector, obj)):
            self.empty = False

    def give_back(self, obj: Obj, fields: list[Ref]) -> None:
        """A fresh object whose initialization failed after `fields`; NULL never takes a block back (3.2, K12)."""
        self.refused(obj)
        self.empty = False
        if self.profile.collector == "null":
            self.bytes += self.block(obj)
        elif self.profile.collector == "drc":
            for ref in fields:
                if type(ref) is Obj:
                    ref.halfway = True
        if self.counts:
            self.counts.give_back(obj, fields)

    def fills(self, obj: Obj) -> bool:
        """Whether a fresh `obj` may need a collection."""
        return self.profile.zeal or self.ever + self.block(obj) > ROOM
