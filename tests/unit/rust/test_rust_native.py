"""The native executor of the C API beside the Python one: the same functions, the same ops; and how it is built."""

from __future__ import annotations

import ctypes
import re
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from twinheap.cli import main
from twinheap.model.ops import OPS
from twinheap.targets.capi import facts
from twinheap.targets.capi.machine import CapiMachine
from twinheap.targets.capi.releases import MIN_RELEASE, NEWEST_KNOWN
from twinheap.targets.capi.shapes import prototypes, shape_of
from twinheap.targets.rust import cache, native
from twinheap.targets.rust.flavour import RustError

SOURCES = Path(__file__).resolve().parents[3] / "targets" / "rust" / native.CRATE / "src"
TYPES: dict[str, Any] = {
    "Ptr": ctypes.c_void_p,
    "bool": ctypes.c_bool,
    "u8": ctypes.c_uint8,
    "u32": ctypes.c_uint32,
    "u64": ctypes.c_uint64,
    "i64": ctypes.c_int64,
    "usize": ctypes.c_size_t,
    "": None,
}
RELEASES = {
    "Always": range(MIN_RELEASE, NEWEST_KNOWN + 1),
    "ContextualRelease": range(MIN_RELEASE, 38),
    "FreeRelease": range(38, NEWEST_KNOWN + 1),
    "SilentGc": range(MIN_RELEASE, 42),
    "FallibleGc": range(42, NEWEST_KNOWN + 1),
    "ArrayTest": range(44, NEWEST_KNOWN + 1),
    "ObjectFunctions": range(46, NEWEST_KNOWN + 1),
}
"""The releases that each table of functions is loaded for."""


def tables() -> dict[str, dict[str, tuple[Any, tuple[Any, ...]]]]:
    """The prototypes in `functions.rs`, by table and name, as ctypes has them."""
    text = (SOURCES / "functions.rs").read_text(encoding="utf-8")
    found = {}
    for table, body in re.findall(r"functions! \{\n(?: *///[^\n]*\n)+ *(\w+) \{\n(.*?)\n    \}", text, re.DOTALL):
        lines = re.findall(r"(\w+)\(([\w, ]*)\)(?: -> (\w+))?;", body)
        found[table] = {
            name: (TYPES[result], tuple(TYPES[one] for one in given.split(", ") if one))
            for name, given, result in lines
        }
    return found


def test_functions_are_declared_as_the_python_side_declares_them() -> None:
    found = tables()
    assert found.keys() == RELEASES.keys()
    for table, functions in found.items():
        assert functions
        for major in RELEASES[table]:
            known = prototypes(shape_of(major))
            for name, (result, given) in functions.items():
                wanted = known[name][0], tuple(_plain(one) for one in known[name][1])
                assert (result, given) == wanted, (name, major)


def _plain(of: Any) -> Any:
    return ctypes.c_void_p if of is ctypes.c_char_p else of


def test_every_op_of_the_python_executor_is_there() -> None:
    text = (SOURCES / "ops.rs").read_text(encoding="utf-8")
    found = {name: int(count) for name, count in re.findall(r'^    \w+ "(\w+)" (\d+),$', text, re.MULTILINE)}
    assert found == {spec.name: spec.arity - 1 for spec in OPS if hasattr(CapiMachine, f"op_{spec.name}")}
    assert "MAX_ARGS: usize = 9" in text
    assert max(found.values()) <= 9


def test_facts_are_of_every_release_and_need_no_assembler_to_be_compared() -> None:
    whole, compared = (msgspec.msgpack.decode(facts.facts(*given)) for given in ((), (str.encode,)))
    assert [shape[0] for shape in whole[0]] == list(range(MIN_RELEASE, NEWEST_KNOWN + 1))
    *single, links, decoys = whole[5]
    assert all(code.startswith(b"\0asm") for code in (*single, *(code for pair in (*links, decoys) for code in pair)))
    whole[5] = compared[5] = None
    assert whole == compared


# --- building, with a cargo that is played by a script

CARGO = """#!/bin/sh
echo "$PWD $@" >> "$CALLS"
if [ -n "$BREAK" ]; then echo "error: no such crate" >&2; exit 101; fi
test -f src/main.rs && test -f ../crate/src/wire.rs || exit 9
mkdir -p "$CARGO_TARGET_DIR/release"
printf '#!/bin/sh\\necho gc\\necho sync\\n' > "$CARGO_TARGET_DIR/release/twinheap-capi-executor"
chmod +x "$CARGO_TARGET_DIR/release/twinheap-capi-executor"
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file into which the played cargo writes how it was called; cache and PATH are the test's own."""
    script = tmp_path / "tools" / "cargo"
    script.parent.mkdir()
    script.write_text(CARGO, encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")
    monkeypatch.setenv("TWINHEAP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return tmp_path / "calls"


def test_it_is_built_once_for_all_releases(calls: Path) -> None:
    assert native.built() is None
    made = native.build()
    assert native.build() == native.built() == made
    (call,) = calls.read_text(encoding="utf-8").splitlines()
    assert call.endswith("/build/capi/capi-crate build --release --locked")
    command = made.command("/there.so", "36.0.2")
    binary = cache.folder_of("capi", made.entry.sources) / cache.BINARY
    assert command[:5] == (str(binary), "--library", "/there.so", "--release", "36.0.2")
    assert Path(command[command.index("--facts") + 1]).read_bytes() == facts.facts()


def test_it_stands_in_only_if_it_has_every_op(calls: Path) -> None:
    made = native.build()
    assert made.entry.ops == ("gc", "sync")
    assert not made.is_whole
    every = tuple(spec.name for spec in OPS)
    assert native.Native(made.binary, msgspec.structs.replace(made.entry, ops=every)).is_whole


def test_other_facts_make_it_stale(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    native.build()
    monkeypatch.setattr(facts.outcomes, "HOST_TRAP", "another text")
    assert native.built() is None


def test_a_failure_is_said_in_one_line(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREAK", "1")
    with pytest.raises(RustError, match="could not build the executor for Wasmtime's C API: no such crate; see "):
        native.build()


def test_the_command_line_builds_and_lists_it(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rust", "build", "capi"]) == 0
    assert capsys.readouterr().out.startswith("capi  ")
    assert main(["rust", "ls"]) == 0
    assert capsys.readouterr().out.startswith("Wasmtime's C API  ")
    assert main(["rust", "build", "capi", "--zeal"]) == 2
    assert "one form only" in capsys.readouterr().err
