"""The findings store: whole or not at all, and nobody else's files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from twinheap.fuzz.record import Finding, Found
from twinheap.fuzz.store import FindingStore, StoreError, read_program, write_atomically
from twinheap.model.program import Program
from twinheap.model.text import loads

LONG = "twinheap program 1\nO1 = ext_new_owned S0 v0\nW2 = to_raw O1\nW3 = to_raw O1\nkind O1\nodrop O1\n"
SHORT = "twinheap program 1\nO1 = ext_new_owned S0 v0\nodrop O1\n"


def found(program: Program, ops: int, before: list[Program] | None = None) -> Found:
    finding = Finding(
        code="TH202",
        signature="TH202-0123456789",
        known=None,
        target="heap",
        runtime="heap",
        release="42.0.2",
        collector="drc",
        build="",
        twinheap="0",
        seed=1,
        number=2,
        profile="default",
        op="gc S0",
        allowed="finalized v0",
        observed="not\nfinalized",
        ops=ops,
        original_ops=5,
        flaky=None,
        exhausted=False,
        seconds=1.0,
        time="2026-01-01T00:00:00Z",
        others={},
    )
    return Found(finding, program, loads(LONG).program, before or [])


def test_stores_a_finding_that_can_be_read_and_replayed(tmp_path: Path) -> None:
    store = FindingStore(tmp_path / "findings")
    short, long = loads(SHORT).program, loads(LONG).program
    finding, new = store.add(found(short, 2, [long]))
    assert new
    assert [entry for _, entry in store] == [finding]
    parsed = read_program(store.folder / finding.program)
    assert parsed.program == short
    assert parsed.meta["code"] == "TH202"
    assert parsed.meta["targets"] == "heap"
    assert parsed.meta["observed"] == "not finalized"
    assert parsed.meta["before"].split() == list(finding.before)
    assert read_program(store.folder / finding.before[0]).program == long
    assert read_program(store.folder / finding.original).program == long


def test_a_shorter_program_replaces_a_longer_one_only(tmp_path: Path) -> None:
    store = FindingStore(tmp_path)
    store.add(found(loads(LONG).program, 5))
    shorter, new = store.add(found(loads(SHORT).program, 2))
    assert not new
    assert shorter.ops == 2
    kept, new = store.add(found(loads(LONG).program, 5))
    assert (kept, new) == (shorter, False)


def test_damaged_and_foreign_records_are_reported_and_left_alone(tmp_path: Path) -> None:
    store = FindingStore(tmp_path)
    store.add(found(loads(SHORT).program, 2))
    record = tmp_path / "TH202-0123456789.json"
    foreign = msgspec.json.decode(record.read_bytes()) | {"version": 99}
    for content, word in ((json.dumps(foreign), "version 99"), ("{", "damaged"), ('{"version": 1}', "damaged")):
        record.write_text(content)
        [(path, entry)] = list(store)
        assert path == record
        assert isinstance(entry, StoreError)
        assert word in str(entry)
        assert "\n" not in str(entry)
        store.add(found(loads(SHORT).program, 2))
        assert record.read_text() == content
        (tmp_path / "TH202-0123456789-2.json").unlink()


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"\xff\xfe", "no text"), (b"", "no TwinHeap program"), (b"twinheap program 9\n", "format 9"), (b"x", "line 1")],
)
def test_damaged_programs(tmp_path: Path, content: bytes, word: str) -> None:
    path = tmp_path / "x.twin"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=word):
        read_program(path)
    assert path.read_bytes() == content


def test_what_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        read_program(tmp_path / "absent.twin")
    with pytest.raises(StoreError, match="Is a directory"):
        read_program(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        write_atomically(tmp_path / "file" / "x", b"")
    with pytest.raises(StoreError):
        list(FindingStore(tmp_path / "file"))
    assert list(FindingStore(tmp_path / "absent")) == []


WRITER = """
import sys
from pathlib import Path
from twinheap.fuzz.store import write_atomically
sys.stdout.write("go\\n"); sys.stdout.flush()
n = 0
while True:
    n += 1
    write_atomically(Path(sys.argv[1]), (b"%d\\n" % n) + b"x" * 200_000 + b"end")
"""


def test_kill_in_the_middle_of_a_write_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    for delay in (0.0, 0.013, 0.031):
        writer = subprocess.Popen([sys.executable, "-P", "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"go\n"
        time.sleep(0.05 + delay)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        data = path.read_bytes()
        assert data.endswith(b"xend")
        assert len(data) > 200_000
