"""Planted bugs: switching one on, by rewriting the heap's sources before they are compiled.

A mutant stands as a comment next to the code that it breaks, and costs nothing while it is off.
Three forms, where NAME may occur any number of times:

    statement            # mutant NAME: other statement     the line becomes the other statement
    # mutant NAME: statement                                the statement is added here
    # mutant NAME below: other statement                    the next line of code becomes it

`MUTANTS` tells what each one is, and what program shows it. Mutated heaps hang and crash: run them
only in an executor's process.
"""

import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

from twinheap.targets.heap.mutant_table import MUTANTS, Mutant

PACKAGE: Final = "twinheap.targets.heap"
OWN_MODULES: Final = frozenset({f"{PACKAGE}.mutants", f"{PACKAGE}.mutant_table"})
DIRECTIVE: Final = re.compile(
    r"^(?P<indent> *)(?P<code>.*?) *# mutant (?P<name>[a-z]\d\d)(?P<below> below)?: (?P<new>.*)$"
)

__all__ = ["MUTANTS", "Mutant", "directives", "install", "rewrite", "sources"]


def sources() -> list[Path]:
    """The source files of the heap, without those that are about mutants."""
    return sorted(path for path in Path(__file__).parent.glob("*.py") if f"{PACKAGE}.{path.stem}" not in OWN_MODULES)


def directives(source: str) -> Iterator[str]:
    """The mutants named in a source, one for each directive."""
    for line in source.splitlines():
        if match := DIRECTIVE.match(line):
            yield match["name"]


def rewrite(source: str, name: str) -> str:
    """The source with the mutant's directives carried out; line numbers stay.

    >>> print(rewrite("x = 1  # mutant m01: x = 2", "m01"))
    x = 2
    """
    result = []
    waiting: str | None = None
    for line in source.splitlines():
        text = line.lstrip()
        if waiting is not None and text and not text.startswith("#"):
            line, waiting = line[: len(line) - len(text)] + waiting, None
        match = DIRECTIVE.match(line)
        if match and match["name"] == name:
            if match["below"]:
                waiting = match["new"]
            else:
                line = match["indent"] + match["new"]
        result.append(line)
    return "\n".join(result)


class _MutatingLoader(SourceFileLoader):
    """Compiles the rewritten source, and neither reads nor writes the bytecode cache."""

    def __init__(self, fullname: str, path: str, mutant: str) -> None:
        super().__init__(fullname, path)
        self.mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        source = importlib.util.decode_source(self.get_data(self.path))
        code: CodeType = compile(rewrite(source, self.mutant), self.path, "exec", dont_inherit=True)
        return code


class _MutatingFinder:
    """Finds the heap's modules, to load them mutated."""

    def __init__(self, mutant: str) -> None:
        self.mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(f"{PACKAGE}.") or fullname in OWN_MODULES:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None:
            return None
        spec.loader = _MutatingLoader(fullname, spec.origin, self.mutant)
        return spec


def install(name: str) -> None:
    """Make every later import of the heap in this process carry the mutant.

    Call it first thing in an executor's process; it cannot be taken back. Raises `ValueError` for
    an unknown mutant, `RuntimeError` if parts of the heap are imported already.
    """
    if name not in MUTANTS:
        raise ValueError(f"unknown mutant {name!r}: choose one of {', '.join(sorted(MUTANTS))}")
    loaded = [module for module in sys.modules if module.startswith(f"{PACKAGE}.") and module not in OWN_MODULES]
    if loaded:
        raise RuntimeError(f"mutant {name} comes too late: {loaded[0]} is imported already")
    sys.meta_path.insert(0, _MutatingFinder(name))
