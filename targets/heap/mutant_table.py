"""What the planted bugs are (`docs/spec/verification.md` section 10).

Notation of the killers: `n` a new LIFO externref, `N` a new owned one, `{ }` a scope, `d` data,
`raw` and `from` the raw conversions, `own`, `lend`, `clone`, `drop` of owned roots, `g` a global,
`t` a table, "limit k" a store limit of k KiB.
"""

from typing import Final, NamedTuple

DRC: Final = ("drc",)
NULL: Final = ("null",)
COPYING: Final = ("copying",)
FREEING: Final = ("drc", "copying")
ALL: Final = ("drc", "null", "copying")


class Mutant(NamedTuple):
    """One planted bug.

    `number` is the one in section 10, None for those of our own; `collectors` are those on which
    it shows; `killer` is the shortest sequence known to show it; `codes` the verdict codes
    expected of it (empty: any finding will do).
    """

    name: str
    number: int | None
    collectors: tuple[str, ...]
    what: str
    killer: str
    codes: tuple[str, ...] = ()


def _spec(number: int, collectors: tuple[str, ...], what: str, killer: str, codes: tuple[str, ...] = ()) -> Mutant:
    return Mutant(f"m{number:02}", number, collectors, what, killer, codes)


def _own(name: str, collectors: tuple[str, ...], what: str, killer: str, codes: tuple[str, ...] = ()) -> Mutant:
    return Mutant(name, None, collectors, what, killer, codes)


_ROOTS: Final = (
    _spec(1, DRC, "scope exit does not drop counts", "{n(1)}, gc, sync"),
    _spec(2, ALL, "scope exit drops one root too many", "n(1), {n(2)}, d(1)"),
    _spec(3, DRC, "scope exit drops one count too few", "{n(1) n(2)}, sync"),
    _spec(4, ALL, "generation not bumped on exit", "{a=n(1)}, b=n(2), d(a): 2, not unrooted"),
    _spec(5, ALL, "the entries that stay are re-stamped at every exit", "a=n(1), {n(2)}, d(a): unrooted"),
    _spec(6, ALL, "generation compared with the counter, not the entry", "a=n(1), {n(2)}, d(a): unrooted"),
    _spec(7, ALL, "stale check by index only", "{a=n(1) n(2)}, b=n(3), c=n(4), own(a): aliases 3"),
    _spec(8, ALL, "lookup off by one at the vector's end", "{a=n(1)}, d(a): crash"),
    _spec(9, DRC, "own adds no count", "{a=n(1); o=own(a)}, d(o): gone"),
    _spec(10, ALL, "a clone has a token of its own", "o=N(1), p=clone(o), drop o, gc, d(p): gone"),
    _spec(11, ALL, "drop of any clone releases", "o=N(1), p=clone(o), drop p, gc, d(o): gone"),
    _spec(12, FREEING, "no eager trim in gc", "o=N(1), drop o, gc, sync"),
    _spec(13, DRC, "no eager trim when an allocation runs out", "limit 64: 2047 N, drop one, N: false oom"),
    _spec(14, DRC, "lazy trim compares with the mark the wrong way", "9 x (N, drop): batch missing at the 9th"),
    _spec(15, DRC, "high-water mark not raised after a trim", "20 N kept, then 13 x (N, drop): batches of 1"),
    _spec(16, ALL, "lazy trim counts one dropped clone as all", "N, clone, drop the first, 8 N, d(clone): gone"),
    _spec(17, ALL, "a trimmed root stays in the liveness list", "N(1), drop, 8 x N, gc, d(each): gone"),
    _spec(18, DRC, "lend adds no count", "o=N(1), {l=lend(o)}, d(o): gone"),
)

_DRC: Final = (
    _spec(19, DRC, "exposing a listed object drops too much", "N, raw, raw, gc, d: gone"),
    _spec(20, DRC, "exposing a listed object leaks a count (K1)", "N, raw, raw, drop, gc, sync"),
    _spec(21, DRC, "list flag not cleared by the sweep", "N, raw, gc, W=raw, drop, 8 owned i31, from(W), d: gone"),
    _spec(22, DRC, "the sweep unlinks what it keeps", "run {new, v=new, gc}, gc: 1 missing"),
    _spec(23, DRC, "the mark bit is not cleared", "run {v=new, gc}, gc: 0 missing"),
    _spec(24, DRC, "the sweep ignores marks", "run {v=new, gc, see v}: gone"),
    _spec(25, DRC, "writing an equal value leaks a count", "{g=n(1)}, {g=get g}, g=null, gc, sync"),
    _spec(26, DRC, "write barrier forgets the old value", "{g=n(1)}, g=null, gc, sync"),
    _spec(27, DRC, "write barrier forgets the new value", "{g=n(1)}, gc, d(get g): gone"),
    _spec(28, DRC, "write barrier counts i31s", "n(1), g=i31(8), then drop and gc: 1 leaked; large i31: crash"),
    _spec(32, FREEING, "a host-data id is freed twice", "N(1), drop, gc, N(2), N(3), d(2): 3"),
    _spec(33, ALL, "dropping an out-of-memory error finalizes nothing", "limit 0: n(1), drop the error"),
    _spec(34, ("drc", "null"), "the value is lost on the retry after growth or GC", "n(1), d: none"),
    _spec(36, DRC, "a split loses a granule of the tail", "limit 64: N until oom: fewer than 2047"),
    _spec(37, DRC, "growth overlaps what was there", "2048 N, d of all"),
    _spec(38, DRC, "growth by the need instead of doubling", "limit 192: N until oom: not 4095"),
    _spec(39, DRC, "table fill and grow count once per op, not per slot", "t.fill 3 slots, clear one, gc, d(get)"),
    _spec(40, FREEING, "store drop stops at the first vacant id", "N(1) N(2), drop 1, gc, store_drop: 2 missing"),
)

_COPYING: Final = (
    _own("c01", COPYING, "an object reached twice is copied twice", "a=n(1), b=own(a), gc, eq(a, b): false"),
    _own("c02", COPYING, "globals are not roots", "{g=n(1)}, gc, d(get g): gone"),
    _own("c03", COPYING, "tables are not roots", "{t.set n(1)}, gc, d(t.get): gone"),
    _own("c04", COPYING, "owned roots are not roots", "o=N(1), gc, d(o): gone"),
    _own("c05", COPYING, "copied objects are not marked as copied", "n(1), gc: finalized while alive"),
    _own("c06", COPYING, "a copied externref is not linked again", "o=N(1), gc, drop o, gc, sync: 1 missing"),
    _own("c07", COPYING, "growth with the upper half active does not collect first", "1022 n, gc, 2 n: false oom"),
    _own("c08", COPYING, "the upper half hands out its reserved bytes", "limit 64: n, gc, N until oom: 1024"),
    _own("c09", COPYING, "no collection after a refused growth", "limit 64: {1023 n, gc, gc}, n: false oom"),
    _own("c10", COPYING, "i31s are moved as if objects", "a=i31, n(1), gc, kind(a): extern"),
    _own("c11", COPYING, "a copy misses what follows the header", "n(1), n(2), gc, d(2): 1"),
    _own("c12", COPYING, "the sweep ends at the first survivor", "{n(1)}, n(2), gc, sync: 1 missing"),
    _own("c13", COPYING, "gc for an out-of-memory error does not collect", "N(1), drop, gc_for: not finalized"),
)

_ASYNC: Final = (
    _own("a01", ALL, "cancelling new_async loses the value", "new_async(1), cancel: 1 not finalized"),
    _own("a02", COPYING, "cancelling gc_async leaves garbage behind", "n(1) {n(2)}, gc_async, 3 polls, cancel, gc"),
    _own("a03", ALL, "cancelling new_async finalizes twice", "new_async(1), cancel: 1 twice"),
    _own("a04", FREEING, "gc_async does not trim", "o=N(1), drop o, gc_async to its end, sync: 1 missing"),
    _own("a05", ALL, "new_async wraps nothing", "new_async(1) to its end, d: none"),
)

_OTHERS: Final = (
    _own("t01", ALL, "overlapping table.copy goes the wrong way", "t=[1,2,null], copy 0..2 to 1, d(t.get 2): 1"),
    _own("t02", ALL, "table.grow ignores the maximum", "table max 1, grow by 2: size 2, not err:grow"),
    _own("t03", DRC, "reading a global or table adds no count", "{g=n(1)}, {get g}, d(get g): gone"),
    _own("t04", FREEING, "an owned result of a typed call leaves its inner root", "o=N(1), p=typed(o), drop p, gc"),
    _own("t05", ALL, "a null result of a typed call becomes an i31", "typed_call option null: not null"),
    _own("t06", ALL, "i31 loses its top bit", "i31(0x40000000), kind: i31(0)"),
    _own("t07", ALL, "handles of other stores are not refused", "n in S0 and S1, d of the one in the other"),
    _own("t08", ALL, "a collection re-stamps the roots", "a=n(1), gc, d(a): unrooted"),
    _own("t09", DRC, "from_raw adds no count", "o=N(1), {from(raw o)}, gc, d(o): gone"),
    _own("t10", DRC, "conversions add no count", "a=n(1), {conv_any(a)}, d(a): gone"),
    _own("t11", ALL, "a cast of an owned root outlives it (K11)", "o=i31 owned, c=cast(o), drop o, gc, N, kind(c)"),
    _own("t12", ALL, "immutable globals can be set", "constant g, g=null: ok, not err:immutable"),
    _own("t13", ALL, "the limiter's no is ignored", "limit 0: n: ok, not oom"),
    _own("t14", ("drc", "null"), "out of memory reports too few bytes", "limit 0: n: bytes needed"),
    _own("t15", ALL, "table.get is off by one at the end", "table of 1, get 1: crash, not absent"),
    _own("t16", ALL, "from_raw(0) is no null", "from(0): nonnull"),
    _own("t17", ALL, "objects are taken for i31s", "n, kind: i31"),
    _own("t18", DRC, "an owned argument of a typed call leaks a count", "o=N(1), p=typed(o), drop p, gc, sync"),
    _own("t19", ("drc", "null"), "gc with an error collects instead of growing", "oom, then gc_for: no limiter call"),
    _own("t20", DRC, "the list holds no count", "o=N(1), raw, gc, d(o): gone"),
    _own("t21", DRC, "the sweep skips every second member", "n(1) n(2) in a scope, raw of both, exit, gc, sync"),
    _own("t22", NULL, "the null heap runs on past its end", "limit 64: N until oom: not 4095, or a crash"),
    _own("t23", NULL, "null objects overlap", "n(1), n(2), d(1)"),
    _own("t24", ALL, "gc with an error panics in a store without heap (K13)", "oom in S0, gc_for in S1: panic"),
    _own("t25", ALL, "to_raw of an i31 needs a heap (K6)", "from_raw(7), to_raw: panic"),
    _own("t26", ALL, "out of memory finalizes the value it gives back", "limit 0: n(1): finalized in the op"),
    _own("t27", ALL, "a failed allocation keeps its host-data id", "limit 0: n(1), take, store_drop: 1 finalized"),
    _own("t28", DRC, "no collection when growth is refused", "limit 64: 2047 n in a scope, raw of one, exit, 2047 n"),
    _own("t29", ALL, "eq compares handles", "a=n(1), b=conv of a, eq: false"),
    _own("t30", ALL, "no trim in a store without heap (K8)", "3000 x (own(i31), drop): the list has 3000 entries"),
    _own("t31", DRC, "a host function's result is not exposed", "{a=n(1), typed give(a)}: 1 goes with the scope"),
    _own("t32", ALL, "a typed call takes any object for any object type", "a=struct, typed(box, a): ok"),
    _own("t33", ALL, "roots in one place are the same root", "{a=n(1)}, b=n(2), rooted_eq(a, b): true"),
    _own("t34", ALL, "the heap is made whatever the limiter says", "limiter: no, n(1): out of memory"),
)

_OBJECTS: Final = (
    _spec(29, DRC, "a death cascade skips the last field or element", "array(1 2 3) owned, drop, gc, sync: 3 missing"),
    _spec(30, DRC, "the death cascade is a recursion", "list of 2000 structs owned, drop the head, gc: crash"),
    _spec(31, DRC, "the death cascade frees a shared child at each visit", "2 structs on n(1), drop both, gc: 1 twice"),
    _spec(
        35,
        DRC,
        "freed blocks are not merged backwards",
        "limit 64: 2047 N, drop all, gc, array of 16000: false oom",
    ),
    _own("f01", DRC, "an object's first references add no count", "{s=struct(n(1)) owned}, s.field 0: gone"),
    _own("f02", ALL, "constant fields can be set", "struct(const i32), set 0: ok, not err:immutable"),
    _own("f03", ALL, "array bounds are off by one at the end", "array of 2, get 2: not err:oob"),
    _own("f04", COPYING, "a collection does not look into structs", "{s=struct(n(1)) owned}, gc: 1 gone"),
    _own("f05", ALL, "array.copy is always ascending", "a=[1,2,null], copy 0..2 to 1, d(a[2]): 1"),
    _own("f06", ALL, "i8 fields are sign-extended", "struct(i8 -1), field 0: not 255"),
    _own("f07", DRC, "a failed initialization keeps its counts (K12)", "{struct(n(1), stale)}, gc: 1 not finalized"),
    _own("f08", DRC, "the pending exception is not counted (K9)", "{throw exn(n(1))}, gc: 1 gone"),
    _own("f09", COPYING, "the pending exception is no root", "{throw exn(n(1))}, gc: 1 gone"),
    _own("f10", DRC, "a second throw leaks the pending exception", "{throw exn(n(1))}, {throw exn()}, gc: 1 leaked"),
    _own("f11", DRC, "array.new counts its element once", "a=array.new n(1) x 3, set 0 null: 1 gone"),
    _own("f12", ALL, "an i16 takes one byte", "struct(i16 0x1234, i8 0), field 1: 0x12"),
    _own("f13", ALL, "arrays are taken for structs", "as_struct(array): a handle, not none"),
    _own("f14", DRC, "reading a field adds no count", "s=struct(n(1)) owned, {s.field 0}, d(s.field 0): gone"),
    _own("f15", ALL, "null goes into non-null fields", "struct(ref extern) of null: ok, not err:type"),
    _own("f16", ALL, "taking the pending exception leaves it pending", "throw, take, take: not none"),
    _own("f17", NULL, "the null heap has no largest object", "limit 0, array of 2^26 i8: oom, not err:other"),
    _own("f18", ALL, "an empty heap's first growth forgets what is reserved (K7)", "array of 16377 refs: oom"),
    _own("f19", ALL, "array.fill sets one element", "array of 3, fill 0..3, get 2: null"),
    _own("f20", ALL, "subtypes are not told from other types", "struct(ref node) of a node's subtype: err:type"),
    _own("f21", ALL, "a field of one struct type takes any struct", "node.0 = box: ok, not err:type"),
    _own("f22", FREEING, "an exception makes the store's tags anew", "churn exn 3000: the store has 9000 tags"),
    _own("f23", ALL, "types are forgotten while objects have them", "s=struct(n(1)), modules_drop, s.field 0: crash"),
)

_WASM: Final = (
    _own("w01", DRC, "a host function's arguments add no count", "run {v=new, see v, see v}: gone"),
    _own("w02", DRC, "a host function's result is not exposed", "run {see new}: gone"),
    _own("w03", NULL, "out of memory in Wasm is no trap", "limit 64: run {array of 20000 refs}: not trap:too_large"),
    _own("w04", ALL, "i31.get_s does not extend the sign", "run {note i31.get_s(i31 -1)}: not -1"),
    _own("w05", DRC, "no read barrier", "g=n(1), gc, run {v=g, g=null, gc, see v}: gone"),
    _own("w06", ALL, "a cast asks for the very type", "run {test box sub}: 0, not 1"),
    _own("w07", ALL, "a failing cast gives null", "run {cast array struct}: ok, not trap:cast"),
    _own("w08", DRC, "global.set counts nothing", "run {g=new, gc, see g}: gone"),
    _own("w09", ALL, "elem.drop leaves the segment's length", "run {elem.drop, table.init}: not trap:table_oob"),
    _own("w10", ALL, "segments are evaluated at each run", "run {t=s[0]}, run {ref_eq t s[0]}: 0, not 1"),
    _own("w11", DRC, "a new object's references add no count", "run {g=struct(new), gc, see g.0}: gone"),
    _own("w12", ALL, "array.copy of Wasm is always ascending", "run {a=[new,null,null], copy 0..2 to 1, see a[2]}"),
    _own("w13", DRC, "a result's root adds no count", "r=run {new}, gc, d(r): gone"),
    _own("w14", DRC, "the pending slot counts nothing", "run {throw(new)}, gc, take, d(field 0): gone"),
    _own("w15", DRC, "a caught exception leaks (K2)", "run {try throw(new)}, gc: 0 missing"),
    _own("w16", COPYING, "element segments are no roots", "run {}, gc, run {test empty s[0]}: 0, not 1"),
    _own("w17", DRC, "an object made by Wasm has a count too many", "run {drop struct(new)}, gc: 0 missing"),
    _own("w18", COPYING, "frames are no roots", "run {v=new, gc, see v}: gone"),
    _own("w19", FREEING, "only the innermost frame is looked at", "run {v=new, call {gc}, see v}: gone"),
    _own("w20", FREEING, "a frame is looked at as it was at its start", "run {v=new, gc, see v}: gone"),
    _own("w21", FREEING, "a frame stays after its end", "run {v=new}, gc: 0 missing"),
    _own("w22", ALL, "catch takes any tag", "run {try catch two throw one}: ok, not exn"),
    _own("w23", DRC, "a caught payload has no read barrier", "run {catch_ref, gc, throw_ref, catch v, gc, see}: gone"),
    _own("w24", DRC, "struct.set and array.set of Wasm count nothing", "run {g=struct(), g.0=new, gc, see g.0}: gone"),
    _own("w25", DRC, "array.new of Wasm counts its element once", "run {g=array(new x 3), g[0]=null, gc, see g[1]}"),
    _own("w26", ALL, "array bounds of Wasm are off by one at the end", "run {array of 2, get 2}: not trap:array_oob"),
    _own("w27", ALL, "a branch leaves one block only", "run {block {block {br 1} note}}: note"),
    _own("w28", COPYING, "private globals of a body are no roots", "run {g=struct()}, gc, run {test struct g}: 0"),
    _own("w29", DRC, "what a private global is at first is not counted", "run {}, gc, run {test struct g}: 0"),
    _own("w30", DRC, "active segments count nothing", "run {}, gc, run {test struct t[0]}: 0"),
    _own("w31", FREEING, "a selected operand is no root (K3)", "run {v, w = select(new, null, 1), {gc}, see v}: gone"),
    _own("w32", FREEING, "an array from a segment is no root (K4)", "run {v, w = array.new_data, {gc}, v.length}"),
    _own("y01", ALL, "types are the same in whatever group", "run {test t3 t0, alike in groups that differ}: 1"),
    _own("y02", ALL, "null goes into a new object's fields without null", "run {struct(null)}: ok, not trap:null_ref"),
    _own("y03", FREEING, "references that a subtype adds are not traced", "run {g=sub(new), gc, see g.1}: gone"),
    _own("y05", DRC, "references to functions are counted as objects", "run {s=struct(ref.func 0), test func s.0}"),
    _own("y04", ALL, "casts to a type without values let all through", "run {test none struct}: 1"),
    _own(
        "w34",
        ALL,
        "each argument of a run leaves a place for a root",
        "churn call 3000: the store has 9000 globals more",
    ),
    _own("w33", ALL, "the globals of an instance go with its handle", "i.g0=n(1), inst_drop i, get g0: null"),
    _own(
        "w35", ALL, "a store that ended keeps its heap's place in the pool", "pool_fill of a pooling engine: 16, false"
    ),
    _own("x01", DRC, "global.set releases late", "run {g=new, g=null, note}: n:0 before f:0"),
    _own("x02", DRC, "a frame holds its first argument", "run {call f(new)}, f(v)={gc, note}: n:0 before f:0"),
    _own("x03", DRC, "Wasm collects before each allocation", "run {drop new, struct(), note}: f:0 before n:0"),
)

MUTANTS: Final = {mutant.name: mutant for mutant in (*_ROOTS, *_DRC, *_COPYING, *_ASYNC, *_OBJECTS, *_OTHERS, *_WASM)}

UNREACHABLE: Final = frozenset({"f05", "f17", "f19"})
"""Planted bugs in what no op of a program does; the heap's own tests show them."""

BY_PROGRAMS: Final = tuple(sorted(MUTANTS.keys() - UNREACHABLE))
"""The planted bugs that programs can show."""
