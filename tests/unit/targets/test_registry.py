"""Target names and the commands that they stand for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from twinheap.model.ops import OPS
from twinheap.targets import registry
from twinheap.targets.registry import Target, TargetError, expand, parse, parse_all
from twinheap.targets.rust import native
from twinheap.targets.rust.flavour import Flavour

PYTHON = (sys.executable, "-P", "-m")


@pytest.fixture(autouse=True)
def nothing_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No native executor, whatever this machine's cache holds."""
    monkeypatch.setenv("TWINHEAP_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("heap", ("--collector", "drc")),
        (" heap ", ("--collector", "drc")),
        ("heap,collector=null", ("--collector", "null")),
        ("heap,collector=copying,verify=1", ("--collector", "copying", "--verify")),
        ("heap,verify=0", ("--collector", "drc")),
        ("heap,mutant=m09", ("--collector", "drc", "--mutant", "m09")),
        ("heap,defects=k1+k6", ("--collector", "drc", "--defects", "k1+k6")),
    ],
)
def test_heap(text: str, arguments: tuple[str, ...]) -> None:
    target = parse(text)
    assert target.name == text.strip()
    assert target.command == (*PYTHON, "twinheap.targets.heap.executor", *arguments)


def test_options_come_in_one_order() -> None:
    assert parse("heap,verify=1,collector=null").name == "heap,collector=null,verify=1"


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("exec,cmd=./mine", ("./mine",)),
        ("exec,cmd=./mine --level 3", ("./mine", "--level", "3")),
        ("exec,cmd='my own' a,b=c", ("my own", "a,b=c")),
    ],
)
def test_exec(text: str, command: tuple[str, ...]) -> None:
    assert parse(text) == Target(text, command)


@pytest.mark.parametrize("text", ["heap,timeout=2.5,memory=100", "exec,timeout=2.5,memory=100,cmd=./a"])
def test_limits_go_with_any_target(text: str) -> None:
    target = parse(text)
    assert (target.name, target.op_timeout, target.memory_limit) == (text, 2.5, 100 << 20)
    executor = target.executor()
    assert (executor.op_timeout, executor.memory_limit) == (2.5, 100 << 20)


@pytest.fixture
def releases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Releases without network or cache."""
    known = ["35.0.0", "36.0.0", "36.0.2", "37.0.0"]
    monkeypatch.setattr(registry.wheels, "available", lambda: known)
    monkeypatch.setattr(registry.wheels, "installed", list)
    monkeypatch.setattr(registry.wheels, "fetch", lambda release, progress=None: Path(f"/wheels/{release}.so"))


@pytest.mark.usefixtures("releases")
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("capi@36.0.0", ["capi@36.0.0"]),
        ("capi@36", ["capi@36.0.2"]),
        ("capi@35..36", ["capi@35.0.0", "capi@36.0.2"]),
        ("capi@all", ["capi@35.0.0", "capi@36.0.2", "capi@37.0.0"]),
    ],
)
def test_releases(text: str, names: list[str]) -> None:
    targets = expand(text)
    assert [target.name for target in targets] == names
    release = names[0].removeprefix("capi@")
    tail = ("--library", f"/wheels/{release}.so", "--release", release)
    assert targets[0].command == (*PYTHON, "twinheap.targets.capi.executor", *tail)


@pytest.mark.usefixtures("releases")
@pytest.mark.parametrize(
    ("text", "whole", "is_native"),
    [
        ("capi@36.0.2", True, True),
        ("capi@36.0.2", False, False),
        ("capi@36.0.2", None, False),
        ("capi@36.0.2,via=native", False, True),
        ("capi@36.0.2,via=ctypes", True, False),
    ],
)
def test_the_executor_of_the_c_api(
    text: str, whole: bool | None, is_native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ops = tuple(spec.name for spec in OPS) if whole else ("gc",)
    there = native.Native(Path("/built/capi/executor"), native.Entry("0123456789", 1.0, 2, ops))
    monkeypatch.setattr(native, "built", lambda: None if whole is None else there)
    monkeypatch.setattr(native, "build", lambda progress: there)
    target = parse(text)
    assert target.name == text
    library = ("--library", "/wheels/36.0.2.so", "--release", "36.0.2")
    if is_native:
        beside = ("--facts", "/built/capi/facts", "--build", "executor-01234567")
        assert target.command == ("/built/capi/executor", *library, *beside)
    else:
        assert target.command == (*PYTHON, "twinheap.targets.capi.executor", *library)


def test_somebody_elses_build_is_driven_natively_only_if_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "libwasmtime.so"
    library.touch()
    there = native.Native(Path("/executor"), native.Entry("", 1.0, 2, tuple(spec.name for spec in OPS)))
    monkeypatch.setattr(native, "build", lambda progress: there)
    monkeypatch.setattr(native, "built", lambda: there)
    assert parse(f"capi,lib={library},release=43").command[0] == sys.executable
    assert parse(f"capi,lib={library},release=43,via=native").command[0] == "/executor"
    with pytest.raises(TargetError, match="name it with release="):
        parse(f"capi,lib={library},via=native")
    with pytest.raises(TargetError, match="no executor 'rust' of capi: choose native or ctypes"):
        parse(f"capi,lib={library},via=rust")


def test_the_installed_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.wheels, "installed_library", lambda: ("50.0.1", Path("/there.so")))
    assert parse("capi").command[-4:] == ("--library", "/there.so", "--release", "50.0.1")


def test_somebody_elses_build(tmp_path: Path) -> None:
    library = tmp_path / "libwasmtime.so"
    library.touch()
    assert parse(f"capi,lib={library}").command[-2:] == ("--library", str(library))
    assert parse(f"capi,lib={library},release=43").command[-2:] == ("--release", "43")


@pytest.mark.parametrize(
    ("text", "folder", "arguments"),
    [
        ("rust", "42.0.2", ("--collector", "drc")),
        ("rust,collector=null", "42.0.2", ("--collector", "null")),
        ("rust@48.0.2,collector=copying", "48.0.2", ("--collector", "copying")),
        ("rust@48.0.2,zeal=7", "48.0.2-zeal", ("--collector", "drc", "--zeal", "7")),
        ("rust@48.0.2,zeal=0", "48.0.2", ("--collector", "drc")),
        ("rust,assertions=1", "42.0.2-assertions", ("--collector", "drc")),
    ],
)
def test_rust(text: str, folder: str, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    def build(release: str, *, zeal: bool, path: str | None, debug_assertions: bool, progress: object) -> Path:
        return Path("/cache") / Flavour(release, path, zeal, debug_assertions).name

    monkeypatch.setattr(registry.rust_build, "build", build)
    target = parse(text)
    assert (target.name, target.command) == (text, (f"/cache/{folder}", *arguments))


def test_several_names() -> None:
    names = [target.name for target in parse_all(["heap", "heap,collector=null", "heap"])]
    assert names == ["heap", "heap,collector=null"]


@pytest.mark.usefixtures("releases")
def test_one_name_must_mean_one_target() -> None:
    with pytest.raises(TargetError, match=r"means 2 targets, and one is wanted: capi@35\.0\.0"):
        parse("capi@35..36")


@pytest.mark.usefixtures("releases")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "unknown target '': choose heap, capi, rust or exec"),
        ("hepa", "unknown target 'hepa'"),
        ("rust@", "names no release after the @: write rust@43.0.0"),
        ("rust@41.0.0", "releases from 42 on can be built"),
        ("rust@48.0", "is not a Wasmtime release"),
        ("rust@42.0.2,collector=copying", "Wasmtime 42.0.2 has no collector 'copying': choose drc or null"),
        ("rust,zeal=1", "has no gc_zeal: releases from 45 on have"),
        ("rust@48.0.2,zeal=often", "zeal=often is no number of allocations"),
        ("rust@48.0.2,path=/there", "a checkout says its release itself"),
        ("rust,path=/nowhere", "/nowhere is no checkout of Wasmtime"),
        ("rust,assertions=yes", "assertions=yes is neither 0 nor 1"),
        ("heap@42", "heap has no releases"),
        ("heap,colour=red", "no option 'colour': it has collector, mutant, defects, verify, timeout and memory"),
        ("heap,collector=mark", "no collector 'mark': choose drc, null or copying"),
        ("heap,mutant=x99", "no mutant 'x99'"),
        ("heap,mutant=", "needs a value"),
        ("heap,mutant", "needs a value"),
        ("heap,verify=1,verify=1", "given twice"),
        ("heap,verify=yes", "neither 0 nor 1"),
        ("heap,defects=k1+k2", "no defect 'k2'"),
        ("heap,timeout=soon", "timeout=soon is no number of seconds"),
        ("heap,memory=-1", "memory=-1 is no number of MiB"),
        ("heap,memory=nan", "memory=nan is no number"),
        ("capi@", "names no release after the @"),
        ("capi@28", "too old"),
        ("capi@99", "no Wasmtime 99"),
        ("capi@x.y", "not a Wasmtime release"),
        ("capi@37..36", "no Wasmtime release on PyPI is in"),
        ("capi,lib=/nowhere/lib.so", "no library /nowhere/lib.so"),
        ("capi@43,lib=/nowhere/lib.so", "exclude each other"),
        ("capi,release=43", "write capi@43"),
        ("exec", "needs a command"),
        ("exec,cmd= ", "needs a value"),
        ("exec,cmd=''", "needs a command"),
        ("exec,cmd='", "cannot be taken apart"),
    ],
)
def test_mistakes_are_one_clear_line(text: str, words: str) -> None:
    with pytest.raises(TargetError) as caught:
        expand(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
