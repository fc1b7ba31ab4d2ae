"""Settings: command line over environment (`TWINHEAP_*`) over `twinheap.toml` or `[tool.twinheap]` over defaults.

[tool.twinheap]
targets = ["heap", "capi@43.0.0"]
max-time = "5m"
workers = "auto"
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

DEFAULT_TARGETS: Final = ("heap", "heap,collector=null", "heap,collector=copying", "capi")
"""The in-tree heap with each of its collectors, and the Wasmtime that is installed beside TwinHeap."""

DEFAULT_SECONDS: Final = 30.0
"""Of `run` without a budget: long enough to meet nearly every behaviour, short enough for every commit."""

PREFIX: Final = "TWINHEAP_"
FILE: Final = "twinheap.toml"


class SettingsError(ValueError):
    """A setting means nothing. The text is one line: where it stands, and what to write instead."""


def _seconds(value: Any) -> float:
    from twinheap.fuzz.budget import parse_duration

    return parse_duration(str(value))


def _number(value: Any) -> int:
    if isinstance(value, bool) or not str(value).strip().isdecimal():
        raise ValueError(f"bad number {value!r}: write a whole number from 0 on")
    return int(str(value))


def _positive(value: Any) -> int:
    number = _number(value)
    if number == 0:
        raise ValueError("bad number 0: write a whole number from 1 on")
    return number


def _workers(value: Any) -> int:
    if value == "auto":
        return 0
    try:
        return _positive(value)
    except ValueError:
        raise ValueError(f"bad number of workers {value!r}: write auto, or a whole number from 1 on") from None


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("1", "true", "yes", "on"):
        return True
    if str(value).lower() in ("0", "false", "no", "off", ""):
        return False
    raise ValueError(f"bad switch {value!r}: write true or false")


def _names(value: Any) -> tuple[str, ...]:
    """Target names: a list, or one text with `;` or spaces between them (names contain commas)."""
    if isinstance(value, str):
        parts = value.split(";") if ";" in value or value.startswith("exec") else value.split()
        return tuple(part.strip() for part in parts if part.strip())
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError(f"bad list {value!r}: write a list of names")


def _defects(value: Any) -> frozenset[str]:
    items = value.replace("+", ",").split(",") if isinstance(value, str) else value
    names = frozenset(str(item).strip().upper() for item in items if str(item).strip())
    from twinheap.model.profiles import KNOWN_DEFECTS

    for name in sorted(names - KNOWN_DEFECTS.keys()):
        raise ValueError(f"bad known defect {name!r}: choose of {', '.join(KNOWN_DEFECTS)}")
    return names


def _text(value: Any) -> str:
    return str(value)


_READERS: Final[dict[str, tuple[Callable[[Any], Any], Any]]] = {
    "targets": (_names, DEFAULT_TARGETS),
    "profile": (_text, "default"),
    "seed": (_number, None),
    "max_time": (_seconds, None),
    "programs": (_positive, None),
    "workers": (_workers, 0),
    "strict": (_flag, False),
    "expect": (_defects, frozenset[str]()),
    "findings": (_text, ".twinheap/findings"),
}
"""Every setting: how it is read, and its default. `workers` 0 means one per core."""


def resolve(
    given: Mapping[str, Any],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> dict[str, Any]:
    """Every setting's value. `given`: from the command line, None where not given. Raises SettingsError.

    `environment` and `folder` default to the process's own; settings files are looked for from `folder` upwards.
    """
    environment = os.environ if environment is None else environment
    path, table = _file(folder or Path.cwd())
    result = {}
    for name, (reader, default) in _READERS.items():
        variable = PREFIX + name.upper()
        if given.get(name) is not None:
            result[name] = _read(reader, given[name], "--" + name.replace("_", "-"))
        elif environment.get(variable):
            result[name] = _read(reader, environment[variable], variable)
        elif name in table:
            result[name] = _read(reader, table[name], f"{path}: {name.replace('_', '-')}")
        else:
            result[name] = default
    return result


def _read(reader: Callable[[Any], Any], value: Any, where: str) -> Any:
    try:
        return reader(value)
    except ValueError as error:
        raise SettingsError(f"{where}: {error}") from None


def _file(folder: Path) -> tuple[Path | None, dict[str, Any]]:
    """The settings file that is nearest upwards, and its settings by their names in `_READERS`."""
    for place in (folder, *folder.parents):
        for path, keys in ((place / FILE, ()), (place / "pyproject.toml", ("tool", "twinheap"))):
            table = _table(path, keys)
            if table is not None:
                return path, table
    return None, {}


def _table(path: Path, keys: tuple[str, ...]) -> dict[str, Any] | None:
    try:
        content: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from None
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    if content is None:
        return None
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: {'.'.join(keys)} is no table")
    table = {name.replace("-", "_"): value for name, value in content.items()}
    if unknown := sorted(table.keys() - _READERS.keys()):
        known = ", ".join(name.replace("_", "-") for name in _READERS)
        raise SettingsError(f"{path}: unknown setting {unknown[0].replace('_', '-')!r}; known: {known}")
    return table
