"""Puts one change in the place of the code, in this process."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import sys
from collections.abc import Iterator, Sequence
from types import CodeType, FunctionType, ModuleType

from mutation.mutants import Mutant, path_of


def into_function(mutant: Mutant) -> None:
    """Gives the function that everybody has imported already the changed code."""
    function = function_of(mutant)
    whole = compile(mutant.source(), str(path_of(mutant.module)), "exec", dont_inherit=True)
    function.__code__ = next(code for code in _codes(whole) if code.co_qualname == mutant.place)


def at_import(mutant: Mutant) -> None:
    """Makes the import of the module, which must be still to come, an import of the changed one."""
    assert mutant.module not in sys.modules
    sys.meta_path.insert(0, _Finder(mutant.module, mutant.source()))


def function_of(mutant: Mutant) -> FunctionType:
    """The function that a change changes, out of properties and decorators."""
    found: object = sys.modules[mutant.module]
    for name in mutant.place.split("."):
        found = inspect.getattr_static(found, name)
        if isinstance(found, property):
            found = found.fget
        elif isinstance(found, classmethod | staticmethod):
            found = found.__func__
    assert callable(found)
    function = inspect.unwrap(found)
    assert isinstance(function, FunctionType), f"{mutant.place} is no function"
    return function


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, module: str, source: str) -> None:
        self._module = module
        self._source = source

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if name != self._module:
            return None
        file = str(path_of(name))
        return importlib.util.spec_from_file_location(name, file, loader=_Loader(name, file, self._source))


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        """Never the cached byte code, which is of the module as it is."""
        del fullname
        return compile(self._source, self.path, "exec", dont_inherit=True)
