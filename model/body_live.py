"""Which values of a frame are still needed behind each form of a body (wasm-ops.md 6.1, 6.5; docs/bodies.md).

At a safepoint a frame holds exactly the references that it still needs: compiled code has them in stack maps, which the
frontend of the compiler makes by liveness before it optimizes anything. The same is computed here from the text,
backwards: a place is needed from where something is written there up to the last use of that.

The places of a frame are its variables, then the operands that wait, by depth. A variable that is only copied to a
place that nobody reads is not used by that, and neither is what is dropped; but what leaves a block is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec

from twinheap.model.body import CACHED, Tree, parse
from twinheap.model.body_env import Env, Function, declared_in
from twinheap.model.body_forms import CATCHES, MAKES
from twinheap.model.kit import BOTTOMS

Places = frozenset[int]
NOTHING: Final[Places] = frozenset()

CALLS: Final = frozenset(
    {
        "call",
        "call_ref",
        "call_indirect",
        "invoke",
        "see",
        "note",
        "gc",
        "clear",
        "new",
        "pass",
        "cb",
        "throw",
        "throw_ref",
    }
)
"""Forms that an exception may leave: what a handler around them needs is needed behind them, too."""

_TAILS: Final = frozenset({"tail", "tail_ref", "tail_indirect", "tail_invoke"})
_ENDS: Final = frozenset({"unreachable", "throw", "throw_ref", *_TAILS})
"""Forms that nothing follows."""

_COPIES: Final = frozenset({"to_any", "to_extern"})
"""Forms that give their operand as it is, and do not look at it."""

_TOPS: Final = frozenset({"any", "extern"})


class Live(msgspec.Struct, frozen=True):
    """What is needed behind the forms of a function, each by the identity of its tree.

    `behind`: the places. While a form makes an object, its operands count, too. `clear`: whether that is all there
    is to say. It is not where a variable is read in vain in a function that branches: the compiler then hands its
    value on along the branches to where they meet, although nothing uses it there.
    """

    behind: dict[int, Places]
    clear: bool


class Lives(msgspec.Struct, frozen=True):
    """The liveness of all functions of a body. `tree`, `env`: those whose forms it is about."""

    tree: Tree
    env: Env
    main: Live
    helpers: tuple[Live, ...]

    @property
    def clear(self) -> bool:
        """Whether that of each function is."""
        return all(function.clear for function in (self.main, *self.helpers))


@lru_cache(maxsize=CACHED)
def lives_of(text: str) -> Lives:
    """The liveness of all functions of a body, which must be one (`body_env.env_of`)."""
    tree = parse(text)
    env = declared_in(tree)
    return Lives(tree, env, live(env.main), tuple(live(helper) for helper in env.functions))


def live(function: Function) -> Live:
    """The liveness of a function. Its trees must stay the same objects as long as the result is used.

    >>> from twinheap.model.body_env import env_of
    >>> main = env_of("(body (main (local extern) (set 4 (new)) (gc) (see (get 1)) (gc) (get 4)))").main
    >>> found = live(main).behind
    >>> [sorted(found[id(part)]) for part in main.parts[1:4:2]]
    [[1, 4], [4]]
    """
    walk = _Walk(function)
    needed = NOTHING
    parts = function.parts
    if function.result:
        needed = walk.value(parts[-1], needed, 0, used=True)
    walk.sequence(function.statements, needed, 0)
    return Live(walk.behind, not (walk.vain and walk.branches))


class _Walk:
    """A walk through a function, backwards. `labels`: what is needed behind each enclosing block."""

    def __init__(self, function: Function) -> None:
        self.first = len(function.params) + len(function.locals)  # the place of the first operand
        self.strict = function.strict
        self.behind: dict[int, Places] = {}
        self.labels: list[Places] = []
        self.handlers: Places = NOTHING  # what the handlers around the form need
        self.vain = False
        self.branches = False

    def sequence(self, parts: Sequence[object], after: Places, depth: int) -> Places:
        """Statements in order; what is needed before them."""
        for part in reversed(parts):
            after = self.value(part, after, depth, used=False)
        return after

    def value(self, part: object, after: Places, depth: int, *, used: bool) -> Places:
        """A form: what is needed before it, if `after` is behind it. `used`: whether something uses what it gives."""
        assert isinstance(part, tuple)
        tree: Tree = part
        name = str(tree[0])
        method = getattr(self, "_" + name, None)
        if method is not None:
            before: Places = method(tree, after, depth, used)
            return before
        return self._plain(name, tree, after, depth, used)

    def operands(self, parts: Sequence[object], after: Places, depth: int, used: bool = True) -> Places:
        """Operands in order, each of which waits until the last one is there."""
        base = self.first + depth
        if used:
            after |= frozenset(range(base, base + len(parts)))
        for at in range(len(parts) - 1, -1, -1):
            after = self.value(parts[at], after - {base + at}, depth + at, used=used)
        return after

    def _plain(self, name: str, tree: Tree, after: Places, depth: int, used: bool) -> Places:
        parts = [part for part in tree[1:] if isinstance(part, tuple)]
        if name in _ENDS:
            after = NOTHING
        if name in CALLS:
            after |= self.handlers
        own = range(self.first + depth, self.first + depth + len(parts)) if name in MAKES else ()
        self.behind[id(tree)] = after | frozenset(own)
        looks = used if name in _COPIES or (name == "cast" and tree[1] in _TOPS) else True
        if (name == "test_null" and tree[1] in _TOPS) or (name == "test" and tree[1] in BOTTOMS):
            looks = False  # the answer is known
        return self.operands(parts, after, depth, looks)

    # --- variables

    def _get(self, tree: Tree, after: Places, _depth: int, used: bool) -> Places:
        self.vain = self.vain or not used
        return after | {int(str(tree[1]))} if used else after

    def _set(self, tree: Tree, after: Places, depth: int, used: bool) -> Places:
        variable = int(str(tree[1]))
        used = used or variable in after or variable in self.strict
        return self.value(tree[2], after - {variable}, depth, used=used)

    _tee = _set

    def _set2(self, tree: Tree, after: Places, depth: int, _used: bool) -> Places:
        written = {int(str(tree[1])), int(str(tree[2]))}
        return self.operands(tree[3:], after - written, depth)  # they leave a block

    def _drop(self, tree: Tree, after: Places, depth: int, _used: bool) -> Places:
        return self.value(tree[1], after, depth, used=False)

    # --- control

    def _do(self, tree: Tree, after: Places, depth: int, _used: bool) -> Places:
        return self.sequence(tree[1:], after, depth)

    def _then(self, tree: Tree, after: Places, depth: int, _used: bool) -> Places:
        return self.sequence(tree[1:-1], self.value(tree[-1], after, depth, used=True), depth)

    def _block(self, tree: Tree, after: Places, depth: int, _used: bool) -> Places:
        self.branches = True
        self.labels.append(after)
        before = self.sequence(tree[1:], after, depth)
        self.labels.pop()
        return before

    def _label(self, level: object) -> Places:
        return self.labels[-1 - int(str(level))]

    def _br(self, tree: Tree, _after: Places, _depth: int, _used: bool) -> Places:
        return self._label(tree[1])

    def _br_if(self, tree: Tree, after: Places, depth: int, _used: bool) -> Places:
        return self.value(tree[2], after | self._label(tree[1]), depth, used=True)

    _br_on_null = _br_if

    def _br_table(self, tree: Tree, _after: Places, depth: int, _used: bool) -> Places:
        return self.value(tree[1], NOTHING.union(*map(self._label, tree[2:])), depth, used=True)

    def _if(self, tree: Tree, after: Places, depth: int, _used: bool) -> Places:
        self.branches = True
        arms = [self.value(arm, after, depth, used=False) for arm in tree[2:]]
        return self.value(tree[1], NOTHING.union(*arms, *([after] if len(arms) < 2 else [])), depth, used=True)

    def _if_else(self, tree: Tree, after: Places, depth: int, _used: bool) -> Places:
        self.branches = True
        arms = [self.value(arm, after, depth, used=True) for arm in tree[2:]]
        return self.value(tree[1], NOTHING.union(*arms), depth, used=True)

    def _otherwise(self, tree: Tree, after: Places, depth: int, _used: bool) -> Places:
        """A value that leaves a block at once, or another one."""
        self.branches = True
        value, other = tree[-2:]
        return self.value(value, after | self.value(other, after, depth, used=True), depth, used=True)

    _on_non_null = _on_cast = _on_cast_fail = _on_cast_null = _on_cast_fail_null = _otherwise

    def _repeat(self, tree: Tree, after: Places, depth: int, _used: bool) -> Places:
        self.branches = True
        before = NOTHING
        while True:
            again = self.sequence(tree[2:], after | before, depth)
            if again <= before:
                return before
            before |= again

    def _return(self, tree: Tree, _after: Places, depth: int, _used: bool) -> Places:
        return self.value(tree[1], NOTHING, depth, used=True) if len(tree) > 1 else NOTHING

    def _try(self, tree: Tree, after: Places, depth: int, _used: bool) -> Places:
        self.branches = True
        clause = tree[1]
        assert isinstance(clause, tuple)
        written = clause[2 if CATCHES[str(clause[0])][0] else 1 :]
        outer = self.handlers
        self.handlers = outer | (after - {int(str(place)) for place in written})
        before = self.sequence(tree[2:], after, depth)
        self.handlers = outer
        return before
