"""Imports go downwards only: front door, fuzz, targets, model.

The arrows are checked twice: over the syntax trees of the folders, which also sees imports that rarely run, and over
what really comes along when a lower package is imported in a fresh process.
"""

from __future__ import annotations

import ast
import fnmatch
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {
    "twinheap": ROOT / "twinheap",
    "twinheap.fuzz": ROOT / "fuzz",
    "twinheap.targets": ROOT / "targets",
    "twinheap.model": ROOT / "model",
    "twinheap.corpus": ROOT / "corpus",
}
"""Package -> its folder, the upper layers first."""
MAY_IMPORT = {
    "twinheap": {"twinheap", "twinheap.fuzz", "twinheap.targets", "twinheap.model"},
    "twinheap.fuzz": {"twinheap.fuzz", "twinheap.targets", "twinheap.model"},
    "twinheap.targets": {"twinheap.targets"},
    "twinheap.model": {"twinheap.model"},
    "twinheap.corpus": set(),
}
"""Layer -> the layers that it may import freely; targets may import the vocabulary besides."""
VOCABULARY = frozenset(
    f"twinheap.model.{name}"
    for name in (
        "body",
        "body_env",
        "body_forms",
        "body_live",
        "body_rules",
        "body_types",
        "builder",
        "bytecode",
        "declared",
        "declared_reader",
        "engines",
        "kit",
        "observation",
        "ops",
        "preconditions",
        "preconditions_objects",
        "preconditions_slots",
        "preconditions_typed",
        "program",
        "refusal",
        "text",
        "text_reader",
        "view",
        "wat",
        "wat_code",
        "wat_control",
    )
)
"""The modules of the model that say what a program and an observation are; nothing in them knows how to judge."""
OUTSIDE_LIBRARIES = {"hypothesis", "rich"}
"""What only the upper layers may load: executors are started thousands of times and must start fast."""
OPTIONAL_LIBRARIES = ("atheris",)
"""What a module may import that only an extra installs."""


def source_files() -> Iterator[tuple[str, Path]]:
    """Yield every Python file of the layers' folders with the name of its module."""
    for layer, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            if parts[-1] == "__init__":
                parts = parts[:-1]
            yield ".".join((layer, *parts)), path


MODULES = dict(source_files())


def layer_of(module: str) -> str:
    """Return the layer that `module` belongs to; what is in no lower layer is in the front door."""
    return max((layer for layer in FOLDERS if f"{module}.".startswith(f"{layer}.")), key=len)


def named_modules(module: str, path: Path) -> Iterator[str]:
    """Yield the dotted names that `module` imports, also under ``TYPE_CHECKING`` and by a constant string."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=source, names=names, level=level):
                parents = package.split(".")[: len(package.split(".")) - level + 1] if level else []
                base = ".".join([*parents, *([source] if source else [])])
                yield from (f"{base}.{alias.name}" for alias in names)
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name


def project_imports(module: str, path: Path) -> Iterator[str]:
    """Yield the modules of the project that `module` imports: for ``from a import b``, a.b if that is one, or a."""
    for name in named_modules(module, path):
        if name.partition(".")[0] != "twinheap":
            continue
        while name not in MODULES and "." in name:
            name = name.rpartition(".")[0]
        yield name


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_go_downwards(module: str) -> None:
    layer = layer_of(module)
    allowed = MAY_IMPORT[layer]
    for name in project_imports(module, MODULES[module]):
        if layer == "twinheap.targets" and name in VOCABULARY:
            continue
        assert layer_of(name) in allowed, f"{module} imports {name}: {layer} may not"


@pytest.mark.parametrize("module", sorted(VOCABULARY & MODULES.keys()))
def test_vocabulary_imports_only_itself(module: str) -> None:
    for name in project_imports(module, MODULES[module]):
        assert name in VOCABULARY, f"{module} is vocabulary, but imports {name}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_folder_names_are_not_import_names(module: str) -> None:
    for name in named_modules(module, MODULES[module]):
        assert name.partition(".")[0] not in {"fuzz", "model", "targets"}, f"{module}: write twinheap.{name}"


def loaded_by(modules: list[str]) -> set[str]:
    """Return the names of all modules loaded once `modules` are imported in a fresh process."""
    script = "\n".join(
        [
            "import importlib, sys",
            f"for name in {modules!r}:",
            "    try:",
            "        importlib.import_module(name)",
            "    except ModuleNotFoundError as error:",
            f"        if error.name not in {OPTIONAL_LIBRARIES!r}: raise",
            "print(*sys.modules, sep='\\n')",
        ]
    )
    command = [sys.executable, "-P", "-c", script]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 0, answer.stderr
    return set(answer.stdout.split())


def modules_of(layer: str) -> list[str]:
    """Return every module of `layer` that may be imported: `__main__` modules are programs."""
    return [name for name in MODULES if layer_of(name) == layer and not name.endswith(".__main__")]


@pytest.mark.parametrize("layer", ["twinheap.model", "twinheap.targets"])
def test_nothing_from_above_comes_along(layer: str) -> None:
    loaded = loaded_by(modules_of(layer))
    ours = {name for name in loaded if name.startswith("twinheap.")}
    extra = {name for name in ours if layer_of(name) not in MAY_IMPORT[layer]}
    if layer == "twinheap.targets":
        # The package itself is loaded with any of its modules, so it must not load the judge.
        extra -= VOCABULARY | {"twinheap.model"}
    assert not extra, f"importing {layer} loads {sorted(extra)}"
    assert not loaded & OUTSIDE_LIBRARIES


def test_fuzz_loads_neither_the_front_door_nor_a_terminal() -> None:
    loaded = loaded_by(modules_of("twinheap.fuzz"))
    ours = {name for name in loaded if name.startswith("twinheap.")}
    assert {layer_of(name) for name in ours} <= MAY_IMPORT["twinheap.fuzz"]
    assert "rich" not in loaded, "engines emit events; a terminal is a listener of the front door"


def test_front_door_alone_loads_nothing_of_ours() -> None:
    loaded = loaded_by(["twinheap"])
    assert not {name for name in loaded if name.startswith("twinheap.")}
    assert not loaded & OUTSIDE_LIBRARIES


def test_packages_list_equals_the_folders() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    found = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    assert set(setuptools["packages"]) == found
    assert {ROOT / folder for folder in setuptools["package-dir"].values()} == set(FOLDERS.values())


@pytest.mark.parametrize("module", sorted(MODULES))
def test_every_file_is_in_a_package(module: str) -> None:
    assert (MODULES[module].parent / "__init__.py").is_file(), f"{module} would be missing from the wheel"


def test_the_test_itself_sees_imports(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    path.write_text(
        "from . import wire\nfrom ..model import ops\nimport twinheap.cli\n"
        "def late():\n    importlib.import_module('twinheap.fuzz')\n",
        encoding="utf-8",
    )
    names = set(named_modules("twinheap.targets.sample", path))
    assert names == {"twinheap.targets.wire", "twinheap.model.ops", "twinheap.cli", "twinheap.fuzz"}


def documented_modules() -> dict[str, list[str]]:
    """Folder -> the modules, with `*` for any characters, that its section of ARCHITECTURE.md names."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    found = {}
    for section in text.split("\n## ")[1:]:
        folder, _, body = section.partition("/:")
        found[folder] = re.findall(r"`([\w*]+\.py)`", body)
    return found


@pytest.mark.parametrize("folder", ["model", "fuzz", "targets", "twinheap", "benches"])
def test_the_architecture_names_modules_that_are_there(folder: str) -> None:
    there = {path.name for path in (ROOT / folder).rglob("*.py")}
    assert [name for name in documented_modules()[folder] if not fnmatch.filter(there, name)] == []


@pytest.mark.parametrize("folder", ["model", "fuzz", "targets", "twinheap"])
def test_the_architecture_names_every_module(folder: str) -> None:
    named = documented_modules()[folder]
    there = {path.name for path in (ROOT / folder).glob("*.py") if not path.name.startswith("__")}
    assert {name for name in there if not any(fnmatch.fnmatch(name, known) for known in named)} == set()
