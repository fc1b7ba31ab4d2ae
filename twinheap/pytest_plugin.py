"""The pytest plugin, loaded by pytest in every project that has TwinHeap installed.

    from hypothesis import given
    from twinheap.pytest_plugin import programs

    @given(programs())
    def test_heap(twinheap_target, program):
        twinheap_target.check(program)

`twinheap_target` is one target after the other, `twinheap` all of them at once; both are a
`twinheap.pytest_checker.Checker`. Without `--twinheap-target` (or `twinheap_targets` in the settings) the targets are
the in-tree heap with each of its collectors. With `--twinheap-corpus`, `*.twin` files are tests too.

This module is imported at the start of every pytest run on the machine, so it imports nothing heavy by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from twinheap.fuzz.strategies import programs
    from twinheap.pytest_checker import Checker, Divergence
    from twinheap.pytest_targets import Targets

__all__ = ["Checker", "Divergence", "programs"]

_LAZY = {
    "Checker": "twinheap.pytest_checker",
    "Divergence": "twinheap.pytest_checker",
    "programs": "twinheap.fuzz.strategies",
}
"""Public name -> the module that it is loaded from when it is first asked for."""

KNOWN_PROPERTY: Final = "twinheap known defect"
"""Key of the user property of a report that names a target and the known defect that a program showed there."""

_TARGETS: pytest.StashKey[Targets] = pytest.StashKey()


def __getattr__(name: str) -> Any:
    """Loads a public name on first use (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and settings."""
    group = parser.getgroup("twinheap")
    group.addoption(
        "--twinheap-target",
        action="append",
        metavar="NAME",
        help="what programs run on: heap,collector=copying, capi, capi@43.0.0, exec,cmd=...; repeatable "
        "(default: the in-tree heap with each collector)",
    )
    group.addoption("--twinheap-corpus", action="store_true", help="collect *.twin files as tests")
    group.addoption("--twinheap-strict", action="store_true", help="fail on a release's known defects, too")
    parser.addini("twinheap_targets", "as --twinheap-target, one a line", type="linelist", default=[])
    parser.addini("twinheap_corpus", "as --twinheap-corpus", type="bool", default=False)
    parser.addini("twinheap_strict", "as --twinheap-strict", type="bool", default=False)
    parser.addini("twinheap_shrink_seconds", "time to shrink one failure, in seconds (default: 10)", default="10")


def _given(config: pytest.Config, name: str) -> Any:
    """A setting: the command line over the settings file."""
    return config.getoption(name) or config.getini(name)


def targets_of(config: pytest.Config) -> Targets:
    """The targets of this session, each started when it is first needed. Raises pytest.UsageError."""
    targets = config.stash.get(_TARGETS, None)
    if targets is None:
        from twinheap.pytest_targets import make_targets

        cache = getattr(config, "cache", None)  # a project may switch that plugin off
        targets = config.stash[_TARGETS] = make_targets(
            config.getoption("twinheap_target") or config.getini("twinheap_targets"),
            strict=bool(_given(config, "twinheap_strict")),
            shrink_seconds=config.getini("twinheap_shrink_seconds"),
            folder=cache.mkdir("twinheap") if cache else None,
        )
    return targets


def pytest_collection(session: pytest.Session) -> None:
    """Refuses a target that does not exist before anything is collected, in one line."""
    if session.config.getoption("twinheap_target") or session.config.getini("twinheap_targets"):
        targets_of(session.config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `twinheap_target` runs once for each target."""
    if "twinheap_target" in metafunc.fixturenames:
        names = targets_of(metafunc.config).names
        metafunc.parametrize("twinheap_target", names, indirect=True, ids=names, scope="session")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Stored programs are tests if that was asked for, or if they were named on the command line."""
    if file_path.suffix != ".twin":
        return None
    if not (_given(parent.config, "twinheap_corpus") or parent.session.isinitpath(file_path)):
        return None
    from twinheap.pytest_corpus import ProgramFile

    file: ProgramFile = ProgramFile.from_parent(parent, path=file_path)
    return file


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Each test shrinks its own failures; the known defects that it met go into its report, which crosses processes."""
    targets = item.config.stash.get(_TARGETS, None)
    if targets is not None:
        targets.start_test()
    try:
        return (yield)
    finally:
        if targets is not None:
            item.user_properties += [(KNOWN_PROPERTY, [*met, count]) for met, count in targets.known.items()]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Known defects fail no test; they are counted here."""
    known: Counter[tuple[str, str]] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and report.when == "call":
                met: list[Any] = [value for key, value in report.user_properties if key == KNOWN_PROPERTY]
                known.update({(target, defect): count for target, defect, count in met})
    for (target, defect), count in sorted(known.items()):
        terminalreporter.write_line(f"twinheap: {target} showed known defect {defect} in {count} programs")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends the executors."""
    targets = config.stash.get(_TARGETS, None)
    if targets is not None:
        targets.close()


@pytest.fixture(scope="session", name="twinheap")
def _twinheap(request: pytest.FixtureRequest) -> Checker:
    """Checks programs on every target of the session: `twinheap.check(program)`."""
    return targets_of(request.config).checker()


@pytest.fixture(scope="session")
def twinheap_target(request: pytest.FixtureRequest) -> Checker:
    """Checks programs on one target; a test that asks for this fixture runs once for each target of the session."""
    return targets_of(request.config).checker(request.param)
