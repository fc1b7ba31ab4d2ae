"""The model's state: stores, what they hold, and the three-valued verdict on each object (semantics.md 2, 4.1, 4.2).

An object with a strong holder is LIVE. One without is in its store's `dead`: MAYBE now, DUE at the next full
collection. Objects that a known defect keeps are moved to `leaked`, so that each is reported once.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import Final

from twinheap.model.bounds import Bounds, Load
from twinheap.model.contents import Future
from twinheap.model.counts import Exact
from twinheap.model.engines import DEFAULT
from twinheap.model.entities import PAGE, Obj, Ref, Stored
from twinheap.model.layout import block, needed
from twinheap.model.ops import INT_KINDS
from twinheap.model.profiles import Profile
from twinheap.model.roots import LifoHandle, OwnedRoot, Stale

LIMIT: Final = INT_KINDS["answer"].names.index("limit")
"""The answer of a limiter that goes by its limit."""

ROOM: Final = PAGE // 2
"""Bytes that every heap has before an allocation must collect: half a page, as copying heaps have two halves (1.5)."""

MARKS: Final = ("tainted", "caught", "tabled", "copied", "halfway", "taken", "hosted", "orphaned")
"""Predicates of defects that leak an object: what it holds leaks with it (4.2)."""


class Budget(enum.Enum):
    """What the runs of a store may still use: more than they can, nobody knows, nothing."""

    PLENTY = enum.auto()
    SOME = enum.auto()
    NOTHING = enum.auto()


class Store:
    """One store: its heap, roots, objects; and in exact mode its exact bookkeeping."""

    def __init__(self, slot: int, profile: Profile, limit: int, limiter: int, engine: int = DEFAULT) -> None:
        self.slot = slot
        self.engine = engine  # the number of its configuration
        self.budget = Budget.PLENTY  # what its runs may use
        self.profile = profile
        self.limit = limit
        self.limiter = limiter
        self.answer = LIMIT  # how the limiter answers (1.5)
        self.heap = False  # a GC heap exists (1.1)
        self.maybe_heap = False  # or perhaps: what would have made it was cancelled half-way
        self.dropped = False
        self.lifo: list[tuple[int, Ref]] = []
        self.generation = 0
        self.scopes: list[int] = []  # lengths to truncate to
        self.objects: dict[int, Obj] = {}  # not finalized
        self.dead: dict[int, Obj] = {}
        self.leaked: dict[int, Obj] = {}
        self.listed: list[Obj] = []  # exposed since the last full collection
        self.marked: list[Obj] = []  # marked while off the list (K28 and its like)
        self.raws: list[Ref] = []  # unexpired raw values
        self.owned_made = 0
        self.cast_roots: list[OwnedRoot] = []  # owned roots that cast handles share
        self.errors: set[int] = set()  # values in kept out-of-memory errors
        self.freed_as_any = False  # an object that was rooted as any is gone: its block may be in use twice (K15)
        self.exception: Ref = None  # the pending exception
        self.unsafe: set[str] = set()  # defects that came to harm here: memory may be used wrongly from then on
        self.fresh: set[str] = set()  # those of the last run
        self.uncounted: dict[int, tuple[Obj, set[str]]] = {}  # objects with a holder that was not counted, and why
        self.watchers: list[Callable[[], None]] = []  # of each run under watch: told of collections (hazards.py)
        self.small = False  # there was an object of the smallest size, and nothing was freed since (K25)
        self.ever = 0  # the blocks of all objects that were ever made
        self.reused_segments = False  # a segment whose items allocate was used again (K5)
        self.short = False  # a run ended out of memory: what it made before is not known for certain
        self.unmade = False  # segments have items that are made when they are used, so that they may take no room yet
        self.abandoned = Load(0, 0)  # what bodies made that could not be instantiated: it may stay
        self.wasm_made = Load(0, 0)  # all objects that Wasm made, whether or not they are gone (K36)
        self.bytes = 0  # the blocks of `objects`, and what was given back half-made under NULL
        self.made = False  # an allocation succeeded
        self.empty = True  # the heap has certainly 0 bytes
        self.litter = Load(0, 0)  # what may have been made and left, unknown to us, where nothing is collected
        self.pending: Future | None = None
        self.runs: list[Callable[[], list[Stored]]] = []  # for each run that is going on: what its frames may need
        self.seen: list[int] = []  # exact mode: finalized inside the pending operation so far
        self.asked: list[tuple[int, int]] = []  # exact mode: limiter calls inside it
        self.exact = profile.exact
        self.counts = Exact(self, profile.collector, profile.defects) if profile.exact else None
        self.bounds = Bounds(profile.collector, limit, profile.fixed_capacity)

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

    # --- 4.1 holders

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

    def add_owned(self, obj: Obj) -> OwnedRoot:
        """As `add` and `own`, in one step, since some ops make thousands; not in exact mode."""
        size = self.block(obj)
        self.objects[obj.value] = obj
        self.bytes += size
        self.ever += size
        self.made, self.empty = True, False
        self.owned_made += 1
        obj.holders = 1
        for child in obj.children():
            self._enter(child)
        return OwnedRoot(self, obj)

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

    # --- what fits (program-ir.md 8.3 rule 4)

    def block(self, obj: Obj) -> int:
        """The bytes that an object takes."""
        return block(self.profile.collector, obj)

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
        needed = closure(ref for run in self.runs for ref in run())
        extra = [kept for kept in needed if not kept.finalized and (not kept.held or kept.value in self.leaked)]
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

    # --- 2.2 LIFO roots

    def root(self, ref: Ref, counted: bool = False) -> LifoHandle:
        """A new LIFO root. `counted`: the object's count already includes it (a fresh object, 1.6)."""
        self.lifo.append((self.generation, ref))
        self.hold(ref)
        if self.counts and not counted:
            self.counts.inc(ref)
        return LifoHandle(self, self.generation, len(self.lifo) - 1)

    def enter(self) -> None:
        """Opens a scope."""
        self.scopes.append(len(self.lifo))

    def exit(self) -> int:
        """Closes the innermost scope: one new generation, then its roots in order. Returns how many there were."""
        mark = self.scopes.pop()
        entries = self.lifo[mark:]
        if entries:
            self.generation += 1
            del self.lifo[mark:]
            for _, ref in entries:
                self.let_go(ref)
                if self.counts:
                    self.counts.dec(ref)
        return len(entries)

    # --- 2.3 owned roots

    def own(self, ref: Ref) -> OwnedRoot:
        """A new owned root for a rooted reference."""
        root = OwnedRoot(self, ref)
        self.owned_made += 1
        self.hold(ref)
        if self.counts:
            self.counts.own(root)
        return root

    def drop_token(self, root: OwnedRoot) -> None:
        """One handle of an owned root is gone; the store is not touched, release is deferred to a trim."""
        root.tokens -= 1
        if not root.tokens:
            ref = root.ref()
            assert not isinstance(ref, Stale)
            self.let_go(ref)
            if self.pending:  # whether the pending operation still sees it is not predicted
                self.forget_exactness()

    # --- 1.6 exposure, 3.4 raw values

    def expose(self, ref: Ref) -> None:
        """`ref` is handed out as a raw value, or to Wasm."""
        if type(ref) is Obj:
            ref.off = None
            if ref.lost:
                self._hurt(ref)
            if ref.listed:
                ref.tainted = True
            else:
                ref.listed = True
                self.listed.append(ref)
        if self.counts:
            self.counts.expose(ref)

    def read_barrier(self, ref: Stored, counted: bool = True) -> None:
        """Wasm reads `ref` out of a slot, or made it: listed, without harm if it is listed already.

        `counted`: exact counts know of it, too.
        """
        if type(ref) is Obj:
            ref.off = None
            if ref.lost:
                self._hurt(ref)
            if not ref.listed:
                ref.listed = True
                self.listed.append(ref)
        if counted and self.counts:
            self.counts.read(ref)

    def hold_raw(self, ref: Ref) -> None:
        """A raw value is valid until the next point where a collection may run: until then it holds."""
        self.hold(ref)
        self.raws.append(ref)

    def expire_raws(self) -> None:
        """A collection may run now."""
        raws, self.raws = self.raws, []
        for ref in raws:
            self.let_go(ref)

    # --- slots of globals and tables (1.6: new value first, then the old one)

    def write(self, old: Ref, new: Ref) -> None:
        """A slot that held `old` holds `new`."""
        self.hold(new)
        self.let_go(old)
        if self.counts:
            self.counts.inc(new)
            self.counts.dec(old)

    # --- the pending exception (1.6)

    def pend(self, new: Ref) -> None:
        """Wasm throws or catches: the pending slot's count of what was there is lost on <= 45 (K2)."""
        old, self.exception = self.exception, new
        if self.counts and self.counts.k2:
            self.counts.inc(new)
            self.hold(new)
            self.let_go(old)
        else:
            self.write(old, new)

    def throw(self, ref: Ref) -> None:
        """The host throws: exposed, and a holder like any slot. Where it is not counted, moments are lost (K9)."""
        old, self.exception = self.exception, ref
        if "K9" in self.profile.defects:
            self.uncount(ref, "K9")
            self.forget_exactness()
            if type(old) is Obj and old.missing:
                old.missing -= 1  # nor is it let go
            elif type(old) is Obj:
                old.caught = True  # Wasm threw it, and that count is lost (K2)
        self.expose(ref)
        self.write(old, ref)

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

    def fills(self, obj: Obj) -> bool:
        """Whether a fresh `obj` may need a collection."""
        return self.profile.zeal or self.ever + self.block(obj) > ROOM

    def collected(self) -> None:
        """A collection may run, inside a run or outside. What it frees too early does harm once it is touched."""
        if self.profile.collector == "null":
            return
        for obj, _ in self.uncounted.values():
            obj.lost = obj.lost or obj.holders + obj.inside <= obj.missing
        if self.small:
            self.harm("K25")
        if self.runs:
            self._spare()
        for watcher in self.watchers:
            watcher()

    # --- collections

    def swept(self) -> None:
        """A full collection is over: nothing is listed any more, but for what frames may need."""
        if self.runs:
            return
        self._spare()
        for obj in self.listed:
            obj.listed = False
        self.listed = []

    def _spare(self) -> None:
        """A sweep leaves in the list what has a mark from when it was not there, and takes the mark away."""
        for obj in self.marked:
            obj.spared = None
            if obj.marked and not obj.off:
                obj.spared, obj.marked = obj.marked, None
        self.marked = [obj for obj in self.marked if obj.marked or obj.spared]

    def dropped_casts(self) -> list[OwnedRoot]:
        """The owned roots that cast handles share and that have no token any more."""
        return [root for root in self.cast_roots if not root.tokens]

    def trimmed(self) -> None:
        """An eager trim is over: owned roots without a token are gone for certain, if there is a heap (2.3)."""
        if self.heap and self.cast_roots:
            for root in self.dropped_casts():
                root.trimmed = True
            self.cast_roots = [root for root in self.cast_roots if not root.trimmed]

    def forget(self) -> None:
        """What refers to this store, or to what does, is let go: see `World.forget`."""
        self.counts = self.pending = None
        for held in (self.runs, self.watchers, self.cast_roots):
            held.clear()

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
