"""Types that random bodies declare: recursion groups, chains of subtypes, groups alike and nearly alike.

What a field holds that is never null is of a type that can be made before: types have ranks, and such a field is of a
lower one.
"""

from __future__ import annotations

from typing import Final

from twinheap.fuzz.bodies_frame import Maker
from twinheap.fuzz.body_places import with_types
from twinheap.model.body import BodyError, Tree
from twinheap.model.body_forms import NON_NULL_PREFIX
from twinheap.model.declared import CONST_PREFIX, KIT_ONLY
from twinheap.model.declared_reader import MAX_DECLARED, MAX_FIELDS, types_of
from twinheap.model.kit import NUMBERS

STORAGES: Final = (
    *(("extern",) * 3 + ("any",) * 3 + ("eq", "i31", "struct", "array", "none", "noextern")),
    *("i8", "i16", "i32", "i32", "i64", "i64", "f32", "f64"),
    *("box", "sub", "pair", "node", "externs", "bytes"),
    *("func", "nofunc"),
)
"""What fields are of, beside the types of the body."""

NEVER_NULL: Final = frozenset({"extern", "any", "eq", "i31", "struct", "array"})
"""Abstract types of which there is something."""

PARAMS: Final = ("extern", "extern", "any", "eq", "i31", "i32", "i64", "func", "none")
"""What parameters of function types are of, beside the types of the body."""

FEW: Final = 4  # fields of a type of its own
MOST_GROUPS: Final = 3


class _Groups:
    """Groups in the making. `made`: their forms so far; `ranks`: those types that can be made, the first ones first."""

    def __init__(self, m: Maker) -> None:
        self.m = m
        self.made: list[Tree] = []
        self.ranks: list[str] = ["box", "sub", "pair", "externs", "bytes"]
        self.count = 0
        self.types = KIT_ONLY
        """What there is so far."""

    def names(self, count: int) -> list[str]:
        """New names."""
        self.count += count
        return [f"t{at}" for at in range(self.count - count, self.count)]

    # --- one group

    def add(self) -> None:
        """One more group, mostly of structs, of which some are subtypes."""
        names = self.names(1 + self.m.upto(3))
        members: list[Tree] = []
        for name in names:
            parents = [*self._open(self.types.structs, self.made), *self._open((), [("rec", *members)])]
            if self.m.has("functions") and self.m.chance(70):
                members.append(self._function(name, names))
                continue
            if self.m.chance(60):
                members.append(("array", name, self._field(names)))
            else:
                members.append(self._struct(name, names, parents, members))
            self.ranks.append(name)
        if not self._keep(("rec", *members)):
            self.ranks = [name for name in self.ranks if name not in names]

    def chain(self) -> None:
        """A struct and its subtypes, each of which has references behind the numbers of the one above it."""
        parent = "box" if self.m.chance(100) else ""
        fields: tuple[str | int | Tree, ...] = ("extern",) if parent else ()
        for name in self.names(2 + self.m.upto(3)):
            more = [self.m.pick(("i8", "i32", "i64", "i64")), self._field([name])]
            fields = (*fields, *(more if self.m.chance(200) else more[::-1]))
            if not self._keep(("rec", ("struct", name, *([("sub", parent)] if parent else []), ("open",), *fields))):
                return
            self.ranks.append(name)
            parent = name

    def twin(self) -> None:
        """A group that is there once more: alike, in another order, different in one word, one type more or less."""
        group = self.m.pick(self.made)
        old = [str(part[1]) for part in group[1:] if isinstance(part, tuple)]
        if self.count + len(old) > MAX_DECLARED:
            return
        renamed = dict(zip(old, self.names(len(old)), strict=True))
        members = [with_types(part, renamed) for part in group[1:] if isinstance(part, tuple)]
        match self.m.upto(6):
            case 1:
                members.reverse()
            case 2:
                members[0] = self._changed(members[0])
            case 3 if self.count < MAX_DECLARED:
                members.append(("struct", *self.names(1)))
            case 4 if len(members) > 1:
                members.pop()
        if self._keep(("rec", *members)):
            self.ranks += [str(part[1]) for part in members if part[0] != "func"]

    def _changed(self, member: Tree) -> Tree:
        open_ = ("open",)
        if member[0] == "func":
            return (*member[:2], ("param", "i64", "extern")) if len(member) < 3 else member[:-1]
        if open_ in member:
            return tuple(part for part in member if part != open_)
        if self.m.chance(128):
            return (*member[:2], open_, *member[2:])
        word = str(member[-1])
        return (*member[:-1], word.removeprefix(CONST_PREFIX) if word.startswith(CONST_PREFIX) else CONST_PREFIX + word)

    def _keep(self, group: Tree) -> bool:
        """Keeps a group, if it is valid."""
        try:
            self.types = types_of([*self.made, group])
        except BodyError:
            return False
        self.made.append(group)
        return True

    # --- members

    @staticmethod
    def _open(more: tuple[str, ...], forms: list[Tree]) -> list[Tree]:
        """Structs that may have subtypes."""
        box: list[Tree] = [("struct", "box", ("open",), "extern")] if "box" in more else []
        found = [part for form in forms for part in form[1:] if isinstance(part, tuple)]
        return box + [part for part in found if part[0] == "struct" and ("open",) in part]

    def _struct(self, name: str, names: list[str], parents: list[Tree], members: list[Tree]) -> Tree:
        head: list[Tree] = []
        fields: list[str] = []
        if parents and self.m.chance(140):
            parent = self.m.pick(parents)
            head.append(("sub", str(parent[1])))
            fields = [self._narrowed(str(part)) for part in parent[2:] if not isinstance(part, tuple)]
        if self.m.chance(150):
            head.append(("open",))
        count = self.m.upto(FEW + 1) if not fields else 1 + self.m.upto(3)
        fields += [self._field(names) for _ in range(min(count, MAX_FIELDS - len(fields)))]
        return ("struct", name, *head, *fields)

    def _function(self, name: str, names: list[str]) -> Tree:
        """A function type, whose parameters and result may be of any types."""
        own = [*names, *self.types.functions, *(type_ for type_ in self.ranks if type_.startswith("t"))]
        params = [self.m.pick(PARAMS) if self.m.chance(190) else self.m.pick(own) for _ in range(self.m.upto(4))]
        result = self.m.pick(("extern", "extern", "any", "", "i32", self.m.pick(own)))
        heads: list[Tree] = [("param", *params)] if params else []
        return ("func", name, *heads, *([("result", result)] if result else []))

    def _narrowed(self, word: str) -> str:
        """A field of a supertype, which may be less in the subtype if it cannot be set."""
        if word == CONST_PREFIX + "any" and self.m.chance(128):
            return CONST_PREFIX + self.m.pick(("eq", "i31", "struct", "box", "ref.any", "none"))
        return word

    def _field(self, names: list[str]) -> str:
        """The word for a field, in a group of these names."""
        const = CONST_PREFIX * self.m.chance(60)
        if self.m.chance(110):
            own = [name for name in self.ranks if name.startswith("t")] + list(self.types.functions)
            storage = self.m.pick([*names, *own])
            never = storage in self.ranks and self.m.chance(110)
        else:
            storage = self.m.pick(STORAGES)
            never = storage not in NUMBERS and storage in (*NEVER_NULL, *self.ranks) and self.m.chance(70)
        return const + NON_NULL_PREFIX * never + storage


def declare(m: Maker) -> list[Tree]:
    """Some groups of types, which `m` knows from then on, and which the body is about."""
    groups = _Groups(m)
    if m.chance(90):
        groups.chain()
    for _ in range(m.upto(MOST_GROUPS) + (not groups.made)):
        groups.add()
        if groups.made and m.chance(100):
            groups.twin()
    if not groups.made:
        return []
    types = groups.types
    m.know(types)
    m.left //= 2  # objects of such types take more forms than others
    structs = [name for name in types.structs if name.startswith("t")]
    arrays = [name for name in types.arrays if name.startswith("t")]
    if structs:
        m.structs = tuple(m.pick(structs) for _ in range(1 + m.upto(3)))
        m.structs += (m.pick(tuple(m.struct_of)),) if m.chance(80) else ()
    if arrays:
        m.arrays = (m.pick(arrays), *m.arrays[: m.upto(2)])
    return groups.made
