"""The op vocabulary: what a program can say, as one table.

An op in memory is a flat tuple of integers `(code, *operands, *results)`: `code` indexes `OPS`, operands and
results are slot numbers, value ids or plain integers in the order that the op's `OpSpec` gives. Flat tuples, since
millions of them are made, sent and judged a minute; everything that explains them is in this table.

Slots are numbered through the program, whatever their kind, in order of definition; slot 0 is store 0. An absent
optional operand or result is `NULL`. Implements docs/spec/program-ir.md 8.1 (host-side rows).
"""

from __future__ import annotations

from typing import Final

import msgspec

from twinheap.model.engines import ENGINES
from twinheap.model.kit import ARRAYS, KIT_GLOBALS, KIT_TABLES, SHARES, STRUCTS, TAGS

Op = tuple[int, ...]
"""`(code, *operands, *results)`; see `OpSpec`."""

NULL: Final = -1
"""An absent optional operand (a null reference) or a result that is not kept."""

# The static type of a handle, global or table: index into REF_TYPES.
EXTERN: Final = 0
ANY: Final = 1
EQ: Final = 2
STRUCT: Final = 3
ARRAY: Final = 4
EXN: Final = 5
REF_TYPES: Final = ("extern", "any", "eq", "struct", "array", "exn")

WASM_TYPES: Final = (*REF_TYPES, "box", "sub", "externs", "nodes")
"""The types of the parameter and result of a function that a typed call calls: abstract ones, then object types."""

# Limits. Each bounds what one program can ask of a target, so that a hostile or mutated program ends soon.
MAX_LIMIT: Final = 16 << 20  # bytes: 256 pages; limits of 1 to 4 pages are what finds things
MAX_TABLE: Final = 64  # elements: barriers show at 2 or 3; large tables only cost time
MAX_FILL: Final = 20_000  # objects: fills 256 KiB under every collector
MAX_POLLS: Final = 8  # more polls than any operation has yields
MAX_OPS: Final = 10_000  # a stored program stays readable, and one batch stays small
MAX_STORES: Final = 8  # enough for every cross-store confusion
MAX_DEPTH: Final = 16  # scope nesting; executors may recurse per scope
MAX_CALLS: Final = 8  # callbacks inside callbacks: all of them share one Wasm stack
MAX_VALUES: Final = 60_000  # host values in one program: three full fills
MAX_BODIES: Final = 8  # Wasm bodies in one program: compiling them takes most of its time
MAX_LENGTH: Final = 20_000  # elements of an array: passes a page under every collector and storage type
MAX_FUEL: Final = 100_000  # units: what a few runs use up
MAX_TICKS: Final = 64  # calls of host functions: more than most runs make
UNADDRESSABLE: Final = 2**61
"""Elements of a table that no host can have, whatever bounds the table; fewer might be tried, and use up the memory."""
NULL_USES: Final = (
    *("extern_clone", "extern_unroot", "extern_data", "extern_to_raw"),
    *("any_clone", "any_unroot", "any_to_raw", "i31_get_u", "i31_get_s"),
    *("val_clone", "val_unroot", "unroot_nothing"),
)
"""What `null_use` does with a null handle, or in the end with no handle at all (capi.md 5.1)."""
NULL_OBJECT_USES: Final = (
    *("struct_get", "struct_set", "array_len", "array_get", "array_set"),
    *("exn_get", "throw"),
)
"""What `null_object` asks of a null handle where an object should be (capi.md 5.4)."""
RUN_VALUES: Final = 8  # host values that are set aside for what one run of a body allocates
UNLIMITED: Final = -1
CHURNED_OBJECTS: Final = {"struct": "struct_new", "array": "array_new", "exn": "exn_new"}
"""The kinds of objects that `churn` makes, with the ops that a target for which it does so must support."""
CHURNED_WAYS: Final = {"call": "inst", "cast": "struct_new", "field": "struct_new", "table": "table_new"}
"""The other ways of making roots that not every target has, likewise; the four that all have are older."""


class IntKind(msgspec.Struct, frozen=True):
    """A plain-integer operand: its inclusive range, names for values (enumerations), values worth trying."""

    lo: int
    hi: int
    names: tuple[str, ...] = ()
    edges: tuple[int, ...] = ()

    def holds(self, value: int) -> bool:
        """Whether `value` is allowed."""
        return self.lo <= value <= self.hi


def _enum(*names: str) -> IntKind:
    return IntKind(0, len(names) - 1, names, tuple(range(len(names))))


INT_KINDS: Final[dict[str, IntKind]] = {
    # 64 KiB pages: odd limits (192 KiB) stop doubling early, 0 and under a page refuse the first growth.
    "limit": IntKind(UNLIMITED, MAX_LIMIT, (), (UNLIMITED, 0, 1, 65535, 65536, 131072, 196608, 262144)),
    "limiter": _enum("plain", "async"),
    "engine": _enum(*(engine.name for engine in ENGINES)),
    "type": IntKind(0, 1, REF_TYPES[:2], (0, 1)),
    "cast": IntKind(EQ, ARRAY, REF_TYPES, (EQ, STRUCT, ARRAY)),
    "mutable": _enum("const", "var"),
    "payload": IntKind(0, 2**32 - 1, (), (0, 1, 7, 0x3FFFFFFF, 0x40000000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)),
    "i31": IntKind(UNLIMITED, 2**32 - 1, (), (UNLIMITED, 0, 1, 0x3FFFFFFF, 0x40000000, 0x7FFFFFFF)),  # -1: null
    "number": IntKind(0, 2**31 - 1, (), (0, 1, 2**31 - 1)),
    "immediate": IntKind(0, 2**32 - 1, (), (0, 1, 3, 15, 0x7FFFFFFF, 0x80000001, 0xFFFFFFFF)),
    "index": IntKind(0, MAX_TABLE * 2, (), (0, 1, 2, 3)),
    "count": IntKind(0, MAX_TABLE, (), (0, 1, 2, 3)),
    "maximum": IntKind(UNLIMITED, MAX_TABLE, (), (UNLIMITED, 0, 4, 8)),
    # Over what 32 bits can index; from 2**61 on the elements' bytes are more than a host can address.
    "beyond": IntKind(2**32, 2**63 - 1, (), (2**32, 2**33, 2**48, UNADDRESSABLE, 2**62, 2**63 - 1)),
    # Elements of 8 bytes: the size of such an array, as a number of 32 bits, begins anew from 0.
    "huge": IntKind(2**29, 2**29 + 2**16, (), (2**29, 2**29 + 1, 2**29 + 2, 2**29 + 1000)),
    "null_use": _enum(*NULL_USES),
    "null_object_use": _enum(*NULL_OBJECT_USES),
    "many": IntKind(1, MAX_FILL, (), (7, 8, 9, 16, 17, 1023, 2047, 4095)),
    "pattern": _enum("all", "odd", "first", "last"),
    "nullable": _enum("nonnull", "nullable"),
    "use": _enum("data", "to_raw", "own", "global"),
    "struct": IntKind(0, len(STRUCTS) - 1, tuple(t.name for t in STRUCTS), tuple(range(len(STRUCTS)))),
    "array": IntKind(0, len(ARRAYS) - 1, tuple(t.name for t in ARRAYS), tuple(range(len(ARRAYS)))),
    "tag": IntKind(0, len(TAGS) - 1, tuple(t.name for t in TAGS), tuple(range(len(TAGS)))),
    "field": IntKind(0, 7, (), (0, 1, 2, 3)),
    "length": IntKind(0, MAX_LENGTH, (), (0, 1, 2, 3, 10, 1000)),
    "upper": IntKind(ANY, EQ, REF_TYPES, (ANY, EQ)),
    "form": _enum("lifo", "owned"),
    "raise": _enum("trap"),
    "shares": _enum(*SHARES),
    "way": _enum("call", "wrap", "give"),
    "wasm_type": _enum(*WASM_TYPES),
    "answer": _enum("limit", "no", "error"),
    "churn": _enum("i31", "extern", "clone", "global", *CHURNED_OBJECTS, *CHURNED_WAYS),
    "body": IntKind(0, MAX_BODIES - 1, (), (0, 1)),
    "kglobal": IntKind(0, len(KIT_GLOBALS) - 1, (), tuple(range(len(KIT_GLOBALS)))),
    "ktable": IntKind(0, len(KIT_TABLES) - 1, (), tuple(range(len(KIT_TABLES)))),
    # A form of a body takes a few units, the smallest body about five; a hundred last for some turns of a loop.
    "fuel": IntKind(UNLIMITED, MAX_FUEL, (), (UNLIMITED, 0, 1, 5, 10, 20, 40, 80, 160)),
    "ticks": IntKind(UNLIMITED, MAX_TICKS, (), (UNLIMITED, 0, 1, 2, 3, 4)),
    "polls": IntKind(0, MAX_POLLS, (), (0, 1, 2)),  # 0: until it is done
}
"""Kinds of plain-integer operands by the name that `Param.kind` uses."""

SLOT_KINDS: Final = "SLOWGTXPFI"
"""Slot kinds: store, LIFO or owned handle, raw value, global, table, error object, pending future, fill, instance."""

FORM_KINDS: Final = "LO"
"""The kinds of an `H` result, by the op's `form` operand: 0 LIFO, 1 owned."""


class Param(msgspec.Struct, frozen=True):
    """One operand or result: its name, and its kind.

    Kinds: a letter of `SLOT_KINDS`; `H` (L or O); `V` (a host value id); or a key of `INT_KINDS`. A result of kind `H`
    is LIFO or owned by the op's `form`. `optional`: `NULL` stands for a null reference (operands) or a result that is
    not kept.
    """

    name: str
    kind: str
    optional: bool = False

    @property
    def is_slot(self) -> bool:
        """Whether the operand names a slot."""
        return self.kind == "H" or self.kind in SLOT_KINDS


class OpSpec(msgspec.Struct, frozen=True):
    """One op kind: its name, group (for profiles), operands and results."""

    code: int
    name: str
    group: str
    params: tuple[Param, ...]
    outs: tuple[Param, ...]

    @property
    def form_at(self) -> int:
        """Where in the op its `form` is, which says whether an `H` result is LIFO or owned; 0 if it has none."""
        return next((at for at, param in enumerate(self.params, 1) if param.kind == "form"), 0)

    @property
    def arity(self) -> int:
        """Length of the op's tuple."""
        return 1 + len(self.params) + len(self.outs)


def _params(text: str) -> tuple[Param, ...]:
    parts = [item.split(":") for item in text.split()]
    return tuple(Param(name, kind.rstrip("?"), kind.endswith("?")) for name, kind in parts)


_TABLE: Final = """
stores   store_new        limit:limit limiter:limiter                               -> store:S
stores   store_drop       store:S                                                   ->
stores   set_limit        store:S limit:limit                                       ->
scopes   scope            store:S                                                   ->
scopes   end                                                                        ->
roots    ext_new          store:S value:V                                           -> handle:L error:X?
i31      i31_new          store:S payload:payload                                   -> handle:L
owned    ext_new_owned    store:S value:V                                           -> handle:O error:X?
i31      i31_new_owned    store:S payload:payload                                   -> handle:O
owned    own              handle:L                                                  -> owned:O
owned    lend             owned:O                                                   -> handle:L
owned    oclone           owned:O                                                   -> clone:O
owned    odrop            owned:O                                                   ->
owned    owned_drop_thread owned:O                                                  ->
convert  conv_any         handle:L                                                  -> handle:L
convert  conv_ext         handle:L                                                  -> handle:L
convert  conv_any_owned   owned:O                                                   -> owned:O
convert  conv_ext_owned   owned:O                                                   -> owned:O
convert  cast             handle:H type:cast                                        -> handle:L
convert  kind             handle:H                                                  ->
data     data             handle:H                                                  ->
data     data_set         handle:H number:number                                    ->
eq       eq               left:H right:H                                            ->
raw      to_raw           handle:H                                                  -> raw:W
raw      from_raw         raw:W type:type                                           -> handle:L
raw      from_raw_owned   raw:W type:type                                           -> owned:O
raw      from_imm         store:S raw:immediate type:type                           -> handle:L
raw      from_imm_owned   store:S raw:immediate type:type                           -> owned:O
gc       gc               store:S                                                   ->
gc       sync             store:S                                                   ->
oom      gc_for           store:S error:X                                           ->
oom      oom_take         error:X                                                   ->
oom      oom_drop         error:X                                                   ->
async    new_async        store:S value:V                                           -> pending:P handle:L error:X?
async    gc_async         store:S                                                   -> pending:P
async    poll             pending:P polls:polls                                     ->
async    cancel           pending:P                                                 ->
typed    typed_call       store:S nullable:nullable handle:L?                       -> handle:L
typed    typed_call_owned store:S nullable:nullable owned:O?                        -> owned:O
globals  global_new       store:S type:type mutable:mutable value:H?                -> global:G
globals  global_get       global:G                                                  -> handle:L
globals  global_get_owned global:G                                                  -> owned:O
globals  global_set       global:G value:H?                                         ->
tables   table_new        store:S type:type minimum:count maximum:maximum value:H?  -> table:T
tables   table_get        table:T index:index                                       -> handle:L
tables   table_get_owned  table:T index:index                                       -> owned:O
tables   table_set        table:T index:index value:H?                              ->
tables   table_grow       table:T delta:count value:H?                              ->
tables   table_fill       table:T index:index value:H? count:count                  ->
tables   table_copy       dst:T dst_index:index src:T src_index:index count:count   ->
tables   table_size       table:T                                                   ->
bulk     fill             store:S count:many value:V                                -> fill:F
bulk     free             fill:F pattern:pattern                                    ->
wrong_store wrong_store   store:S handle:H use:use                                  ->
convert  upcast           handle:L type:upper                                       -> handle:L
structs  struct_new       store:S struct:struct number:number a:H? b:H? c:H? d:H? form:form -> handle:H
structs  struct_get       handle:H field:field type:type form:form                  -> value:H
structs  struct_get_number handle:H field:field                                     ->
structs  struct_set       handle:H field:field value:H?                             ->
structs  struct_set_number handle:H field:field number:number                       ->
arrays   array_new        store:S array:array length:length number:number value:H? form:form -> handle:H
arrays   array_new_fixed  store:S array:array number:number a:H? b:H? c:H? form:form -> handle:H
arrays   array_get        handle:H index:index type:type form:form                  -> value:H
arrays   array_get_number handle:H index:index                                      ->
arrays   array_set        handle:H index:index value:H?                             ->
arrays   array_set_number handle:H index:index number:number                        ->
arrays   array_len        handle:H                                                  ->
exceptions exn_new        store:S tag:tag a:H? b:H? form:form                       -> handle:H
exceptions exn_get        handle:H field:field type:type form:form                  -> value:H
exceptions throw          handle:H                                                  ->
exceptions exn_take       store:S form:form                                         -> handle:H
exceptions exn_pending    store:S                                                   ->
bulk     chain            store:S count:many                                        -> head:O
wasm     inst             store:S                                                   -> inst:I
wasm     inst_global      inst:I which:kglobal                                      -> global:G
wasm     inst_table       inst:I which:ktable                                       -> table:T
wasm     run              inst:I body:body value:V a:H? b:H? c:H? selector:number form:form -> result:H
wasm     run_exn          inst:I body:body value:V a:H? b:H? c:H? selector:number form:form -> result:H
bulk     churn            store:S what:churn count:many                             ->
wasm     call             inst:I body:body value:V a:H? b:H? c:H? selector:number   ->
wasm     call_exn         inst:I body:body value:V a:H? b:H? c:H? selector:number   ->
wasm     arg              form:form                                                 -> handle:H
wasm     ret              value:H?                                                  ->
wasm     raise            how:raise                                                 ->
wasm     result           form:form                                                 -> handle:H
stores   store_new_in     engine:engine limit:limit limiter:limiter                 -> store:S
limits   set_fuel         store:S fuel:fuel                                         ->
limits   set_epoch_deadline store:S ticks:ticks                                     ->
exceptions raise_exn      exn:H?                                                    ->
wasm     link             inst:I shares:shares                                      -> inst:I
typed    typed_pass       store:S way:way to:wasm_type nullable:nullable handle:L?  -> handle:L
typed    typed_pass_owned store:S way:way to:wasm_type nullable:nullable owned:O?   -> owned:O
typed    typed_i31        store:S way:way nullable:nullable i31:i31                 ->
eq       ref_eq           left:H right:H                                            ->
eq       ref_hash         left:H right:H                                            ->
eq       rooted_eq        left:L right:L                                            ->
eq       rooted_hash      left:H right:H                                            ->
stores   set_limiter      store:S answer:answer                                     ->
bulk     fill_race        store:S count:many value:V fill:F                         -> fill:F
bulk     store_drop_race  store:S fill:F                                            ->
convert  matches          handle:H type:wasm_type                                   ->
structs  fields           handle:H                                                  ->
wasm     inst_drop        inst:I                                                    ->
wasm     modules_drop     store:S                                                   ->
tables   table_new64      store:S type:type minimum:count maximum:maximum value:H?  -> table:T
tables   table_grow_huge  table:T delta:beyond value:H?                             ->
arrays   array_new_huge   store:S length:huge                                       ->
owned    null_use         store:S use:null_use                                      ->
stores   pool_fill        store:S                                                   ->
structs  null_object      store:S use:null_object_use                               ->
"""


def _parse_table() -> tuple[OpSpec, ...]:
    specs = []
    for code, line in enumerate(_TABLE.strip().splitlines()):
        left, right = line.split("->")
        group, name, *params = left.split()
        specs.append(OpSpec(code, name, group, _params(" ".join(params)), _params(right)))
    return tuple(specs)


OPS: Final = _parse_table()
"""Every op kind, by code."""

BY_NAME: Final[dict[str, OpSpec]] = {spec.name: spec for spec in OPS}
"""Every op kind, by name."""

CODE: Final[dict[str, int]] = {spec.name: spec.code for spec in OPS}
"""The code of each op name."""

GROUPS: Final = tuple(dict.fromkeys(spec.group for spec in OPS))
"""Op groups, in table order; a profile weighs them, a target says which it supports."""

CALLS: Final = frozenset({CODE["call"], CODE["call_exn"]})
"""Codes of the ops that run a body whose callback is the nested list of ops."""

BRACKETS: Final = frozenset({CODE["scope"], *CALLS})
"""Codes of the ops that open a nested list of ops, which an `end` closes."""

END: Final = CODE["end"]


class UnknownOp(ValueError):
    """A name that is no op kind."""


def spec_of(name: str) -> OpSpec:
    """The spec of op kind `name`. Raises `UnknownOp`, with the names that come near."""
    try:
        return BY_NAME[name]
    except KeyError:
        from difflib import get_close_matches

        near = get_close_matches(name, BY_NAME)
        hint = f"; did you mean {' or '.join(near)}?" if near else f"; known: {', '.join(BY_NAME)}"
        raise UnknownOp(f"unknown op {name!r}{hint}") from None
