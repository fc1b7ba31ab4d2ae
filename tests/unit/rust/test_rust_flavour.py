"""What can be built, and the manifest that cargo is given for it."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

import pytest

from twinheap.model.engines import ENGINES
from twinheap.model.observation import PANIC_TEXTS
from twinheap.model.ops import BY_NAME
from twinheap.targets.rust import cache
from twinheap.targets.rust.flavour import DEFAULT_RELEASE, Flavour, RustError, flavour_of

ROOT = Path(__file__).resolve().parents[3]
CRATE = ROOT / "targets" / "rust" / "crate"


def dependency(flavour: Flavour) -> dict[str, object]:
    manifest = tomllib.loads(flavour.manifest((CRATE / "Cargo.toml").read_text(encoding="utf-8")))
    assert manifest["profile"]["release"]["panic"] == "unwind", "panics are outcomes"
    found = manifest["dependencies"]["wasmtime"]
    assert isinstance(found, dict)
    return found


def test_the_crate_as_it_stands_is_the_default_flavour() -> None:
    text = (CRATE / "Cargo.toml").read_text(encoding="utf-8")
    assert tomllib.loads(Flavour(DEFAULT_RELEASE).manifest(text)) == tomllib.loads(text)


@pytest.mark.parametrize(("release", "copying"), [("42.0.2", False), ("44.0.3", False), ("45.0.0", True)])
def test_a_release_is_pinned_with_the_collectors_that_it_has(release: str, copying: bool) -> None:
    wanted = dependency(flavour_of(release))
    assert wanted["version"] == f"={release}"
    assert wanted["default-features"] is False
    features = wanted["features"]
    assert isinstance(features, list)
    assert ("gc-copying" in features) is copying
    assert ("copying" in flavour_of(release).collectors) is copying


def test_a_checkout_says_its_release_itself(tmp_path: Path) -> None:
    (tmp_path / "Cargo.toml").write_text('[workspace.package]\nversion = "49.0.0"\n', encoding="utf-8")
    flavour = flavour_of(path=str(tmp_path), assertions=True)
    assert (flavour.release, flavour.path) == ("49.0.0", str(tmp_path))
    assert flavour.name.startswith("path-")
    assert flavour.name.endswith("-assertions")
    assert dependency(flavour)["path"] == str(tmp_path / "crates" / "wasmtime")


@pytest.mark.parametrize("content", [None, "not TOML [", "[package]\nname = 'x'\n"])
def test_what_is_no_checkout_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "Cargo.toml").write_text(content, encoding="utf-8")
    with pytest.raises(RustError, match="is no checkout of Wasmtime"):
        flavour_of(path=str(tmp_path))


def test_all_sources_are_there() -> None:
    sources = cache.crate()
    on_disk = {str(path.relative_to(CRATE)) for path in CRATE.glob("src/**/*.*")}
    assert sources.keys() == on_disk | {"Cargo.toml", "Cargo.lock", "build.rs"}
    assert cache.digest(sources) != cache.digest({**sources, "build.rs": b""})


def rust_strings(file: str, start: str) -> list[str]:
    """The string literals of the lines after `start`, up to the closing bracket."""
    text = (CRATE / "src" / file).read_text(encoding="utf-8").split(start, 1)[1]
    lines = text.split("\n];" if start.startswith("pub const") else "\n}", 1)[0].splitlines()
    return [line.split('"', 1)[1].rsplit('"', 1)[0] for line in lines if '"' in line]


def test_panic_texts_are_those_of_the_model() -> None:
    assert tuple(rust_strings("panics.rs", "pub const PANIC_TEXTS")) == PANIC_TEXTS


def test_engine_configurations_are_those_of_the_model() -> None:
    text = (CRATE / "src" / "engine.rs").read_text(encoding="utf-8")
    names = re.findall(r'"(\w+)"', text.split("pub const ENGINES", 1)[1].split(";\n", 1)[0])
    assert names == [engine.name for engine in ENGINES]


def test_numbers_that_are_said_to_be_of_the_model_are() -> None:
    said = r"/// .*`(\w+)` of model/(\w+)\.py\.\n(?:pub )?const (\w+): \w+ = ([\d_]+);"
    found = set()
    for path in sorted(CRATE.parent.glob("*/src/**/*.rs")):
        for of, module, name, value in re.findall(said, path.read_text(encoding="utf-8")):
            there = getattr(importlib.import_module(f"twinheap.model.{module}"), of)
            assert (name, int(value)) == (of, there), path
            found.add((path.relative_to(CRATE.parent).parts[0], of))
    pool = {(crate, "POOL_TRIED") for crate in ("crate", "capi-crate")}
    assert found >= {("crate", "POOL_HEAPS"), ("crate", "POOL_MEMORIES"), *pool}


def test_ops_have_the_operands_of_the_op_table() -> None:
    text = (CRATE / "src" / "ops.rs").read_text(encoding="utf-8").split("op_kinds! {", 1)[1].split("\n}", 1)[0]
    rows = [line.strip().rstrip(",").split() for line in text.splitlines() if line.strip()]
    known = {name.strip('"'): int(count) for _, name, count in rows}
    assert known == {name: BY_NAME[name].arity - 1 for name in known}
