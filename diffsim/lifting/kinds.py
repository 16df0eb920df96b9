"""What kinds of things there are: of libraries or of the user, made of others, plain, unchanging."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import functools
import inspect
import operator
import pathlib
import re
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = [
    "CONSTANT",
    "CONTAINERS",
    "UNCHANGING",
    "VALUES",
    "is_ours",
    "is_python",
    "is_trusted",
    "is_written",
    "made_of",
]

_OURS = {"diffsim", "integrators", "systems", "studies"}
_TRUSTED = (
    _OURS | {"numpy", "scipy", "mpmath", "matplotlib", "tqdm", "llvmlite", "numba"} | set(sys.stdlib_module_names)
)
CONTAINERS = (list, tuple, dict, collections.OrderedDict, collections.defaultdict, collections.deque)
CONSTANT = (int, bool, str, bytes, complex, type(None), type(Ellipsis), slice, range, np.integer, np.bool_, np.dtype)
VALUES = (*CONSTANT, fractions.Fraction, decimal.Decimal, pathlib.PurePath, datetime.date, datetime.timedelta)
UNCHANGING = (
    *(types.MethodDescriptorType, types.WrapperDescriptorType, types.MethodWrapperType, types.GenericAlias),
    *(np.ufunc, re.Pattern, enum.Enum, operator.itemgetter, operator.attrgetter, operator.methodcaller),
)


def is_trusted(x: Any, home: str) -> bool:
    """Whether a function, class or module belongs to a library whose numbers never change; `home` never does."""
    name = x.__name__ if isinstance(x, types.ModuleType) else getattr(x, "__module__", None)
    if not isinstance(name, str):
        return False
    top = name.partition(".")[0]
    return (top in _OURS and isinstance(x, type)) or (name != home and top in _TRUSTED)


def is_ours(cls: type) -> bool:
    """Whether a class belongs to diffsim and its wings."""
    return (cls.__module__ or "").partition(".")[0] in _OURS


def is_written(value: Any) -> bool:
    """Whether a member of a class is code."""
    return isinstance(value, types.FunctionType | staticmethod | classmethod | property | functools.cached_property)


def is_python(cls: type) -> bool:
    """Whether instances of a class hold nothing but attributes."""
    while cls.__flags__ & (1 << 9):  # a class made by a class statement
        base = cls.__base__
        if base is None:
            break
        cls = base
    return cls is object


def made_of(value: Any) -> tuple[Sequence[str], Callable[[Any], Any], Callable[..., Any]] | None:
    """For an object that is made of others: labels, how to take it apart, and how to put it together."""
    if isinstance(value, types.MethodType):
        return ("", "self"), lambda m: (m.__func__, m.__self__), types.MethodType
    if isinstance(value, functools.partial):
        labels = ("", "partial", "partial")
        return labels, lambda p: (p.func, p.args, p.keywords), lambda f, args, kw: functools.partial(f, *args, **kw)
    if isinstance(value, staticmethod | classmethod):
        return ("",), lambda m: (m.__func__,), type(value)
    if isinstance(value, property):
        return ("", "", ""), lambda p: (p.fget, p.fset, p.fdel), property
    if isinstance(value, functools.cached_property):
        return ("",), lambda p: (p.func,), functools.cached_property
    for attribute in ("py_func", "__wrapped__"):  # numba's functions; functools.lru_cache's
        inner = inspect.getattr_static(value, attribute, None)  # code of the object's is not run
        if isinstance(inner, types.FunctionType) and not isinstance(value, types.FunctionType):
            return ("",), _apart(attribute), lambda f: f
    return None


def _apart(attribute: str) -> Callable[[Any], Any]:
    return lambda value: (getattr(value, attribute),)
