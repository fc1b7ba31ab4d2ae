"""The pytest plugin, seen from a project that uses it: targets, failures, known defects, what it costs."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import twinheap.fuzz.strategies
import twinheap.pytest_targets  # with what it needs: an inner run forgets what it alone imported
from twinheap import pytest_plugin
from twinheap.fuzz.store import read_program
from twinheap.model.text import loads
from twinheap.targets.registry import Target

pytest_plugins = ["pytester"]

MUTANT = "heap,mutant=m01"
"""Scope exit does not drop counts: the inner owned handle of `LEAK` keeps its value for ever."""

LEAK = """twinheap program 1
O1 = ext_new_owned S0 v0
data O1
odrop O1
O2 = ext_new_owned S0 v1
gc S0
data O2
"""

TEST = f'''
LEAK = """{LEAK}"""

def test_one(twinheap_target):
    twinheap_target.check(LEAK)

def test_all(twinheap):
    twinheap.check(LEAK)
'''

PROPERTY = """
from hypothesis import given, settings, Phase
from twinheap.pytest_plugin import programs

@settings(max_examples=150, database=None, phases=[Phase.generate, Phase.shrink])
@given(programs())
def test_programs(twinheap_target, program):
    twinheap_target.check(program)
"""

OLD_RELEASE = """
from twinheap.targets import serve
from twinheap.targets.heap.machine import HeapMachine
from twinheap.targets.wire import WIRE_VERSION, Hello

class OldRelease(HeapMachine):
    def hello(self):
        return Hello(WIRE_VERSION, "wasmtime", "43.0.0", "drc", False, self.supported)

serve.main(OldRelease(defects=frozenset({"k1"})))
"""
"""An executor that says it is a release with K1, and has K1."""

TWICE_EXPOSED = """twinheap program 1
O1 = ext_new_owned S0 v0
W2 = to_raw O1
W3 = to_raw O1
odrop O1
gc S0
"""


def program_in(lines: list[str]) -> str:
    """The program in a failure report, as somebody would copy it."""
    text = "\n".join(line.removeprefix("E").strip("\n") for line in lines)
    start = text.index("twinheap program 1")
    indent = start - text.rindex("\n", 0, start) - 1
    block = text[start - indent :].split("\n" + " " * indent + "\n")[0].split("\n\n")[0]
    return "\n".join(line[indent:] for line in block.split("\n")) + "\n"


def old_release(pytester: pytest.Pytester) -> str:
    """A target that has K1 and says so."""
    return f"exec,cmd={sys.executable} -P {pytester.makefile('.py', old_release=OLD_RELEASE)}"


def test_a_right_heap_passes_once_for_each_collector(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TEST)
    result = pytester.runpytest("-v")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines([f"*test_one?heap,collector={name}? PASSED*" for name in ("drc", "null", "copying")])


def test_a_failure_is_reported_shrunk_and_as_source(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TEST)
    result = pytester.runpytest("--twinheap-target", MUTANT, "-k", "test_one")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*Divergence: TH202 leaked on heap,mutant=m01",
            "E *allowed: *finalized v0*",
            "E *observed: ok*",
            "E *program:  2 ops, shrunk from 6",
            "E *O1 = ext_new_owned S0 v0 *# ok",
            "E *<-- TH202",
            "E *Reproduce with: twinheap replay *.twin",
        ]
    )
    assert not [line for line in result.outlines if "pytest_checker.py" in line], "the user's line is what counts"
    shown = loads(program_in(result.outlines)).program
    path = re.search(r"twinheap replay (\S+)", result.stdout.str())
    assert path
    stored = read_program(Path(path[1]))
    assert stored.program == shown
    assert stored.meta == {"code": "TH202", "targets": MUTANT}


def test_property_tests_fail_with_the_shrunk_program(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(PROPERTY)
    result = pytester.runpytest("--twinheap-target", MUTANT)
    result.assert_outcomes(failed=1)
    assert len(loads(program_in(result.outlines)).program) <= 4


def test_property_tests_pass_in_process(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(PROPERTY)
    pytester.runpytest("-p", "no:randomly").assert_outcomes(passed=3)


def test_executors_are_shared_and_ended(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    make = Target.executor

    def counted(self: Target) -> object:
        started.append(make(self))
        return started[-1]

    monkeypatch.setattr(Target, "executor", counted)
    pytester.makepyfile(TEST.replace("LEAK)", "LEAK.replace('odrop', 'data'))"))
    pytester.runpytest("--twinheap-target", "heap,timeout=5").assert_outcomes(passed=2)
    (executor,) = started
    assert executor._child is None


def test_settings_name_targets(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TEST)
    pytester.makeini("[pytest]\ntwinheap_targets =\n  heap\n  heap,verify=1\n")
    result = pytester.runpytest("-v")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*test_one?heap,verify=1? PASSED*"])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--twinheap-target", "hepa"], "*unknown target 'hepa'*"),
        (["-o", "twinheap_targets=heap,mutant=zzz"], "*no mutant 'zzz'*"),
        (["--twinheap-target", "heap", "-o", "twinheap_shrink_seconds=soon"], "*'soon' is no number of seconds*"),
    ],
)
def test_bad_settings_are_refused_in_one_line(pytester: pytest.Pytester, arguments: list[str], line: str) -> None:
    pytester.makepyfile(TEST)
    result = pytester.runpytest(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (shown,) = (text for text in result.errlines if text.strip())
    assert re.search(line.replace("*", ".*"), shown)


def test_a_target_that_does_not_start_fails_the_test_in_one_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TEST)
    result = pytester.runpytest("--twinheap-target", "exec,cmd=/no/such/executor", "-k", "test_all")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["target exec,cmd=/no/such/executor: cannot start /no/such/executor*"])


def test_a_known_defect_is_counted_and_fails_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TEST.replace(LEAK, TWICE_EXPOSED))
    target = old_release(pytester)
    result = pytester.runpytest("--twinheap-target", target)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines([f"twinheap: {target} showed known defect K1 in 2 programs"])
    strict = pytester.runpytest("--twinheap-target", target, "--twinheap-strict")
    strict.assert_outcomes(failed=2)
    strict.stdout.fnmatch_lines(["*TH202 leaked on exec* (known defect K1)"])


def test_an_unrelated_run_loads_nothing_of_ours(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_light():
            ours = {name for name in sys.modules if name.startswith("twinheap.")}
            assert ours <= {"twinheap.pytest_plugin"}
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_public_names_are_loaded_on_first_use() -> None:
    assert pytest_plugin.programs is twinheap.programs is twinheap.fuzz.strategies.programs
    assert {getattr(pytest_plugin, name).__name__ for name in pytest_plugin.__all__} == set(pytest_plugin.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pytest_plugin.nothing


def test_the_divergence_has_the_program_for_other_tools(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f'''
        import pytest
        from twinheap.pytest_plugin import Divergence

        def test_caught(twinheap):
            with pytest.raises(Divergence) as caught:
                twinheap.check("""{LEAK.replace(chr(10), chr(92) + "n")}""")
            error = caught.value
            assert (error.target, error.verdict.code) == ("{MUTANT}", "TH202")
            assert (len(error.program), len(error.original)) == (2, 6)
        '''
    )
    pytester.runpytest("--twinheap-target", MUTANT, "-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_workers_of_xdist_report_as_one_process_does(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TEST.replace(LEAK, TWICE_EXPOSED))
    target = old_release(pytester)
    result = pytester.runpytest_subprocess("-n", "2", "--twinheap-target", target)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines([f"twinheap: {target} showed known defect K1 in 2 programs"])
