"""What a stand-alone script copies: those of the common classes, functions and methods that it uses."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Iterator
from types import ModuleType

from twinheap.reporters import (
    capi_script,
    capi_script_limits,
    capi_script_objects,
    capi_script_ops,
    capi_script_wasm,
)

_MODULES: tuple[ModuleType, ...] = (
    *(capi_script, capi_script_ops, capi_script_wasm),
    *(capi_script_objects, capi_script_limits),
)


def parts(used: Iterable[str]) -> str:
    """The source with all that `used` needs: names, and `.name` for methods. Without docstrings and imports of ours."""
    sources = [inspect.getsource(module) for module in _MODULES]
    trees = [ast.parse(source) for source in sources]
    names = _needed(trees, set(used))
    kept = []
    for source, tree in zip(sources, trees, strict=True):
        lines = source.splitlines()
        for node in tree.body:
            if text := _kept(node, lines, names):
                is_block = isinstance(node, ast.ClassDef | ast.FunctionDef)
                kept.append(f"\n\n{text}\n" if is_block else text)
    return re.sub("\n{4,}", "\n\n\n", "\n".join(kept))


def _needed(trees: list[ast.Module], names: set[str]) -> set[str]:
    """`names` and all that they mention, and so on."""
    mentioned: dict[str, set[str]] = {}
    for name, node in (pair for tree in trees for pair in _definitions(tree)):
        mentioned.setdefault(name, set()).update(_names_in(node))
    todo = list(names)
    while todo:
        for name in mentioned.get(todo.pop(), set()) - names:
            names.add(name)
            todo.append(name)
    return names


def _definitions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """What has a name: constants, functions, methods, and classes with what is no method."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, ast.FunctionDef):
                    yield (node.name if member.name == "__init__" else f".{member.name}"), member
                else:
                    yield node.name, member
            yield from ((node.name, base) for base in node.bases)
        elif isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.Assign):
            yield from ((name, node.value) for name in _targets(node))


def _targets(node: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


def _names_in(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            yield inner.id
        elif isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and inner.value.id == "self":
            yield f".{inner.attr}"


def _kept(node: ast.stmt, lines: list[str], names: set[str]) -> str:
    """The source of a statement at the top, as far as it is needed; "" if it is not."""
    if isinstance(node, ast.ClassDef):
        return _class(node, lines, names) if node.name in names else ""
    if isinstance(node, ast.FunctionDef):
        return _source(node, lines) if node.name in names else ""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return _source(node, lines) if names.intersection(_targets(node)) else ""
    return ""


def _class(node: ast.ClassDef, lines: list[str], names: set[str]) -> str:
    members = []
    for member in node.body:
        if isinstance(member, ast.FunctionDef):
            if member.name == "__init__" or f".{member.name}" in names:
                members.append(_source(member, lines) + "\n")
        else:
            members.append(_source(member, lines) + "\n" * isinstance(member, ast.Expr))
    return "\n".join([*lines[node.lineno - 1 : node.body[0].lineno - 1], *members]).rstrip()


def _source(node: ast.stmt, lines: list[str]) -> str:
    return "\n".join(lines[node.lineno - 1 : node.end_lineno])
