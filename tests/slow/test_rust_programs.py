"""The stand-alone Rust programs in docs/findings compile, without a warning, on each release that an executor is here
for.

They are the modules of one crate with the dependencies of that executor: what cargo compiled for it serves them too.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from twinheap.targets.rust import cache
from twinheap.targets.rust.build import build, cargo, lay_out
from twinheap.targets.rust.flavour import DEFAULT_RELEASE, Flavour

PROGRAMS = sorted((Path(__file__).resolve().parents[2] / "docs" / "findings").glob("*.rs"))
RELEASES = (DEFAULT_RELEASE, "45.0.0", "48.0.2")
"""The releases that the programs say they are for."""
NAME = "twinheap-findings"
BUILD_TIMEOUT = 1800
"""Seconds, should cargo have to compile Wasmtime again; else it takes two."""


def layout(flavour: Flavour, programs: list[Path]) -> dict[str, bytes]:
    """The crate: path -> content. Only its own code is compiled otherwise than an executor's: at once."""
    sources = cache.crate()
    manifest = flavour.manifest(sources[cache.MANIFEST].decode())
    manifest = manifest.replace(f'name = "{cache.BINARY}"', f'name = "{NAME}"\nbuild = false')
    lock = sources[cache.LOCK]
    if flavour.release != DEFAULT_RELEASE:
        lock = (cache.root() / "build" / flavour.name / cache.LOCK).read_bytes()
    modules = [f'#[path = "{path}"]\nmod {path.stem.lower()};\n' for path in programs]
    return {
        cache.MANIFEST: f"{manifest}\n[profile.release.package.{NAME}]\nopt-level = 0\n".encode(),
        cache.LOCK: lock.replace(f'"{cache.BINARY}"'.encode(), f'"{NAME}"'.encode()),
        "src/lib.rs": "".join(["#![deny(warnings)]\n#![allow(dead_code)] // nobody calls main\n", *modules]).encode(),
    }


@pytest.mark.timeout(BUILD_TIMEOUT)
@pytest.mark.parametrize("release", RELEASES)
def test_programs_compile(
    release: str, tmp_path: Path, require_executor: Callable[[], None], is_built: Callable[[str], bool]
) -> None:
    if release == DEFAULT_RELEASE:
        require_executor()
        build()
    elif not is_built(f"rust@{release}"):
        pytest.skip(f"not built: `twinheap rust build {release}` takes minutes")
    flavour = Flavour(release)
    copying = "copying" in flavour.collectors
    programs = [path for path in PROGRAMS if copying or '"gc-copying"' not in path.read_text(encoding="utf-8")]
    assert programs
    lay_out(tmp_path, layout(flavour, programs))
    environment = {**os.environ, "CARGO_TARGET_DIR": str(cache.root() / "target"), "CARGO_TERM_COLOR": "never"}
    command = [cargo(), "build", "--release", "--locked", "--offline"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_programs_say_a_release_that_is_tried() -> None:
    for path in PROGRAMS:
        head = path.read_text(encoding="utf-8").split("\nuse ", 1)[0]
        assert any(f'version = "={release}"' in head for release in RELEASES), path
