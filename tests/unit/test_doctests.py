"""Every example in a docstring is run.

``--doctest-modules`` would import the folders a second time under other names, so the modules are found and imported
under the names that users import.
"""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Callable, Iterator

import pytest

PACKAGES = ("twinheap", "twinheap.fuzz", "twinheap.model", "twinheap.targets")
EXECUTABLES = ("__main__",)
"""Modules that do something when imported."""
OPTIONAL_IMPORTS = ("atheris",)
"""What a module may import that only an extra installs."""


def module_names() -> Iterator[str]:
    """Yield the name of every module of the project that may be imported."""
    for package_name in PACKAGES:
        yield package_name
        package = importlib.import_module(package_name)
        for module in pkgutil.walk_packages(package.__path__, f"{package_name}."):
            if module.name.rpartition(".")[2] not in EXECUTABLES:
                yield module.name


# A set, because in a wheel the front door's folder holds the others.
@pytest.mark.parametrize("name", sorted(set(module_names())))
def test_doctests(name: str, require: Callable[[str], None]) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in OPTIONAL_IMPORTS:
            raise
        require(error.name)
        raise
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples of {name} fail"
