"""Release profiles: what a release does by specification, and which defects it is known to have.

The model describes fixed behaviour. A known defect is a predicate that classifies a verdict which has already failed
(docs/spec/program-ir.md 8.3 rule 5); it never loosens judging. Implements the version marks of semantics.md and
capi.md 5.4.
"""

from __future__ import annotations

from typing import Final

import msgspec

OLDEST: Final = 29  # the first release on PyPI that the C API description covers
NEWEST: Final = 50  # a later release gets this profile, and a warning


class KnownDefect(msgspec.Struct, frozen=True):
    """A known defect: its name, what it is, the majors from `since` to before `fixed` (None: open), its codes."""

    name: str
    title: str
    since: int
    fixed: int | None
    codes: tuple[str, ...]

    def in_release(self, major: int) -> bool:
        """Whether release `major` has it."""
        return self.since <= major and (self.fixed is None or major < self.fixed)


LEAK_CODES: Final = ("TH202", "TH301")
"""What an object that is kept for no reason breaks: it is not finalized, and takes room."""

CAST_CODES: Final = ("TH101", "TH102", "TH103", "TH104", "TH105", "TH106", "TH107", "TH401")
"""What a handle can break that denotes another object than it should, or is refused what every handle may do."""

UNCOUNTED_CODES: Final = ("TH101", "TH103", "TH104", "TH105", "TH106", "TH201", "TH401", "TH402", "TH403")
"""What an object that was freed too early breaks: its values die, its block and host value are another object's, and
freed twice it makes a ring of the list of free blocks, in which a collection never comes to an end."""

FRAME_CODES: Final = (
    *("TH101", "TH103", "TH104", "TH105", "TH106", "TH109"),
    *("TH201", "TH202", "TH203", "TH301", "TH401", "TH402", "TH403"),
)
"""What a run can break whose frame holds a reference to an object that is gone, and whose block is used again: two
objects in one block overwrite each other, with their counts, and the list of free blocks."""

IDENTITY_CODES: Final = ("TH101", "TH103", "TH105", "TH109")
"""What objects can break that are others at each use: comparisons, and what was written into one of them."""

DEATH_CODES: Final = ("TH401", "TH402")
"""How the process ends that reads what is not there."""

NULL_CODES: Final = ("TH106", "TH401")
"""How a function shows that it does not expect null: it says nothing, or panics."""

KNOWN_DEFECTS: Final = {
    defect.name: defect
    for defect in (
        KnownDefect("K1", "repeated exposure leaks one count", OLDEST, 45, LEAK_CODES),
        KnownDefect("K2", "a caught exception leaks, and what it holds", 39, 46, LEAK_CODES),
        KnownDefect("K3", "a selected reference is missing from stack maps", OLDEST, 44, FRAME_CODES),
        KnownDefect("K4", "an array from a segment is missing from stack maps", OLDEST, 44, FRAME_CODES),
        KnownDefect("K5", "items of a segment are made anew at each use", OLDEST, 45, IDENTITY_CODES),
        KnownDefect("K6", "i31 seen as extern panics in a store without heap", 32, 46, ("TH401",)),
        KnownDefect("K7", "a first allocation just under some pages fails once", OLDEST, None, ("TH301",)),
        KnownDefect("K8", "owned roots are not trimmed in a store without heap", 37, None, ("TH501",)),
        KnownDefect("K9", "a host throw keeps an uncounted reference pending", OLDEST, 46, UNCOUNTED_CODES),
        KnownDefect("K10", "the size of a host array wraps around at 32 bits", OLDEST, 45, ("TH401", "TH403")),
        KnownDefect("K11", "a cast through an owned root shares it without a token", OLDEST, None, CAST_CODES),
        KnownDefect("K12", "a failed initialization keeps the counts of its fields", OLDEST, None, LEAK_CODES),
        KnownDefect("K13", "gc(Some(oom)) panics in a store without heap", 33, 50, ("TH401",)),
        KnownDefect("K14", "a value written to a host table keeps a count for ever", OLDEST, 37, LEAK_CODES),
        KnownDefect("K15", "a root of a raw value seen as any does not hold it", OLDEST, 32, FRAME_CODES),
        KnownDefect("K16", "overwriting an i31 panics", 45, 46, ("TH401",)),
        KnownDefect("K17", "growing a table with an unrooted handle panics", 46, None, ("TH401",)),
        KnownDefect("K18", "a host table copy roots what it copies in the caller's scope", 46, None, LEAK_CODES),
        KnownDefect("K19", "the C API roots an exception that it takes for the store's life", 44, None, LEAK_CODES),
        KnownDefect("K20", "what a dead struct or array held is never finalized", OLDEST, 32, LEAK_CODES),
        KnownDefect("K21", "a constant expression that runs out of memory panics", OLDEST, 37, ("TH401",)),
        KnownDefect("K22", "a host function's references stay rooted (C API)", OLDEST, 37, LEAK_CODES),
        KnownDefect("K23", "an i31 as any out of a raw value panics in a store without heap", 32, 33, ("TH401",)),
        KnownDefect("K24", "an i31 in Wasm is taken for an object", OLDEST, 32, FRAME_CODES),
        KnownDefect("K25", "the free list takes over objects of 16 bytes", OLDEST, 32, FRAME_CODES),
        KnownDefect("K26", "array.fill writes another number of elements", OLDEST, 32, FRAME_CODES),
        KnownDefect("K27", "null does not fit a global of a type below any", OLDEST, 30, ("TH106", "TH401")),
        KnownDefect("K28", "frames inside a try are missing from stack maps", 39, 44, FRAME_CODES),
        KnownDefect("K29", "an array whose elements have the wrong type keeps its block", 45, None, LEAK_CODES),
        KnownDefect("K30", "copying: the heap grows by half of what a large request needs", 45, 46, ("TH301",)),
        KnownDefect("K31", "two references in a loop share a slot of the stack map", 37, 46, FRAME_CODES),
        KnownDefect("K32", "copying: a constant global is not read again after a move", 45, 46, FRAME_CODES),
        KnownDefect("K33", "table.init writes without counting", OLDEST, 37, FRAME_CODES),
        KnownDefect("K34", "the value before of a variable is missing from stack maps", 32, 46, FRAME_CODES),
        KnownDefect("K35", "a variable that several branches write is missing from stack maps", 29, 32, FRAME_CODES),
        KnownDefect("K36", "what Wasm makes is not freed before the store", 29, 31, ("TH301",)),
        KnownDefect("K37", "an array that a limit stops half-made is traced", 37, 48, FRAME_CODES),
        KnownDefect("K45", "growing a 64-bit table by more than a host can address panics", OLDEST, 45, ("TH401",)),
        KnownDefect("K50", "copying: a segment's items are not roots while later ones are made", 45, 46, FRAME_CODES),
        KnownDefect("K51", "what only a handler gets is missing from stack maps", 39, 50, FRAME_CODES),
        KnownDefect("K52", "types are mixed up where others were freed", OLDEST, 32, FRAME_CODES),
        KnownDefect("K53", "what traces objects outlives their type in a pooled heap", 32, 46, FRAME_CODES),
        KnownDefect("K60", "zeal: an allocation in Wasm fails, and so does its second try", 45, 46, ("TH301",)),
        KnownDefect("K61", "zeal: a heap that has to grow for an allocation in Wasm does not", 46, None, ("TH301",)),
        KnownDefect("K62", "the C API's functions on objects panic on null, or do nothing", 44, 47, NULL_CODES),
        KnownDefect("K63", "a load is moved out of a loop, over the null check of a call", OLDEST, 32, DEATH_CODES),
        KnownDefect("K64", "conversions in constant expressions are refused", OLDEST, 33, ("TH106",)),
    )
}
"""Known defects by name (semantics.md 7; docs/findings.md)."""

FRESH_CASTS: Final = 44
"""The first major whose `as_eqref` makes a new LIFO root; before it shared the entry (docs/spec-errata.md)."""

BOUNDS_FIRST: Final = 46
"""The first major in which host fills look at bounds before roots, and copies before types (docs/spec-errata.md)."""

# Before 33 the limiter did not govern the GC heap, which had a fixed 512 KiB; objects took 24 bytes before 32.
FIXED_CAPACITY: Final = {29: 21845, 30: 21845, 31: 21845, 32: 16383}
"""How many externrefs fit in those releases, whatever the limit (docs/spec-errata.md)."""


SEGMENTS_EARLY: Final = 45
"""The first major that makes the items of segments at instantiation (wasm-ops.md 6.6, K5)."""

ELEMENTS_LATE: Final = 45
"""The first major that looks at an array's elements once it has room for them (docs/spec-errata.md)."""


class Profile(msgspec.Struct, frozen=True):
    """How a target is judged.

    `runtime`: "heap" or "wasmtime" (or an executor's own name). `release`: major, minor, patch; zeros if it has none.
    `collector`: "drc", "null" or "copying". `exact`: predict the moment of every finalization. `defects`: names of
    the known defects that classify failed verdicts. `zeal`: it may collect at any allocation.
    """

    runtime: str
    release: tuple[int, int, int]
    collector: str
    exact: bool
    defects: frozenset[str]
    zeal: bool = False

    @property
    def fresh_casts(self) -> bool:
        """Whether a cast to eq makes a root of its own."""
        return self.runtime == "wasmtime" and self.release[0] >= FRESH_CASTS

    @property
    def elements_late(self) -> bool:
        """Whether an array's elements are checked after its allocation."""
        return self.runtime == "wasmtime" and self.release[0] >= ELEMENTS_LATE

    @property
    def segments_late(self) -> bool:
        """Whether items of segments are made at each use (K5), and take no room before."""
        return self.runtime == "wasmtime" and self.release[0] < SEGMENTS_EARLY

    @property
    def bounds_first(self) -> bool:
        """Whether a table's bounds are checked before the roots of a fill, and before the types of a copy."""
        return self.runtime == "wasmtime" and self.release[0] >= BOUNDS_FIRST

    @property
    def fixed_capacity(self) -> int | None:
        """How many externrefs fit whatever the limit, in releases whose heap has a fixed size."""
        return FIXED_CAPACITY.get(self.release[0]) if self.runtime == "wasmtime" else None


def parse_release(text: str) -> tuple[int, int, int]:
    """`"43.0.1"` as numbers; missing parts are 0. Raises ValueError.

    >>> parse_release("43.0")
    (43, 0, 0)
    """
    parts = [int(part) for part in text.split(".")[:3]]
    major, minor, patch = (*parts, 0, 0, 0)[:3]
    return major, minor, patch


def profile_for(
    runtime: str,
    release: str,
    collector: str,
    exact: bool,
    *,
    strict: bool = False,
    expect: frozenset[str] = frozenset(),
    zeal: bool = False,
) -> Profile:
    """The profile of a target as its handshake describes it.

    `strict` puts the profile's knowledge of defects aside; `expect` adds defects by hand. Raises ValueError for a
    release that is no release number.
    """
    numbers = parse_release(release) if release else (0, 0, 0)
    known: set[str] = set(expect)
    if runtime == "wasmtime" and not strict:
        known |= {defect.name for defect in KNOWN_DEFECTS.values() if defect.in_release(numbers[0])}
    return Profile(runtime, numbers, collector, exact, frozenset(known), zeal)
