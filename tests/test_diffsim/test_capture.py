"""Capturing functions: every number that one can see becomes an input, nothing is baked in, refusals name the line."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
from collections import OrderedDict, deque, namedtuple
from collections.abc import Callable
from math import sin as sine_of_math
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy as renamed
import numpy.linalg as la
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy import cos, zeros

from diffsim import capture as capture_module
from diffsim import ops
from diffsim.capture import Captured, WholeNumberNeeded, capture, settle, trace_flow
from diffsim.derivatives import grad
from diffsim.dual import dual
from diffsim.errors import TraceError
from diffsim.graph import Graph
from diffsim.nn import MLP
from diffsim.number import raw
from diffsim.value import Value
from systems import Lorenz63, System

RATE = 0.0
NUMBERS: list[float] = []
TABLE: dict[str, Any] = {}
MATRIX = np.zeros((2, 2))
COUNT = 0
MODULE = types.ModuleType("physics")
T, Y = 0.3, np.array([0.4, -0.7])
Y3 = np.array([0.4, -0.7, 1.9])
Point = namedtuple("Point", ["a", "b"])


def traced(captured: Captured, n: int = 2, column: bool = False) -> tuple[Captured, Graph]:
    """The graph, with whole numbers moved to the key where the trace needs them."""
    for _ in range(9):
        try:
            return captured, trace_flow(captured, n, column=column)
        except WholeNumberNeeded as needed:
            captured = needed.captured
    raise AssertionError("trace_flow asks again and again")


def floats(x: Any) -> np.ndarray:
    """Numbers of any kind as plain ones."""
    return np.array([float(raw(v)) for v in x])


def evaluated(fun: Any, args: tuple[Any, ...] = (), y: Any = Y) -> np.ndarray:
    captured, graph = traced(capture(fun, args), len(y))
    return np.asarray(graph(T, y, np.array(captured.values)), dtype=float)


# --- every way in which a number can reach a function ----------------------------------------------------------------
# Each maker takes one number and returns the function that uses it and its args.


def _closure(p: float) -> Any:
    return lambda t, y: -p * y


def _closure_of_a_closure(p: float) -> Any:
    def outer() -> Any:
        def inner(y: Any) -> Any:
            return [p * v for v in y]

        return lambda t, y: inner(y)

    return outer()


def _default(p: float) -> Any:
    def f(t: Any, y: Any, k: float = p) -> Any:
        return k * y

    return f


def _keyword_default(p: float) -> Any:
    def f(t: Any, y: Any, *, k: float = p) -> Any:
        return k * y

    return f


def _reads_global(t: Any, y: Any) -> Any:
    return RATE * y


def _reads_list(t: Any, y: Any) -> Any:
    return [NUMBERS[0] * y[1], sum(NUMBERS) * y[0]]


def _reads_table(t: Any, y: Any) -> Any:
    return [TABLE["k"] * y[1], TABLE["deep"][0] * y[0]]


def _reads_matrix(t: Any, y: Any) -> Any:
    return MATRIX @ y


def _reads_module(t: Any, y: Any) -> Any:
    return MODULE.rate * y


def _helper(y: Any) -> Any:
    return _deeper_helper(y) * 2.0


def _deeper_helper(y: Any) -> Any:
    return RATE * np.sin(y)


def _calls_helpers(t: Any, y: Any) -> Any:
    return _helper(y)


def _set_global(fun: Any) -> Callable[[float], Any]:
    def make(p: float) -> Any:
        globals()["RATE"] = p
        return fun

    return make


def _set_list(p: float) -> Any:
    NUMBERS[:] = [p, 2.0]
    return _reads_list


def _set_table(p: float) -> Any:
    TABLE.clear()
    TABLE.update(k=p, deep=[1.5, "text"])
    return _reads_table


def _set_matrix(p: float) -> Any:
    MATRIX[:] = [[0.0, 1.0], [p, 0.5]]
    return _reads_matrix


def _set_module(p: float) -> Any:
    MODULE.rate = p
    return _reads_module


class Plain:
    gain = 2.0

    def __init__(self, p: float) -> None:
        self.p = p

    def rhs(self, t: Any, y: Any) -> Any:
        return self.gain * self.p * self.part(y)

    def part(self, y: Any) -> Any:
        return np.where(y > 0, y, -y)

    def __call__(self, t: Any, y: Any) -> Any:
        return self.rhs(t, y) + self.squared

    @property
    def squared(self) -> float:
        return self.p**2


class Child(Plain):
    def part(self, y: Any) -> Any:
        return super().part(y) * self.p


class ClassNumber:
    rate: ClassVar[float] = 0.0
    unused = object()

    @classmethod
    def scaled(cls, y: Any) -> Any:
        return cls.rate * y

    @staticmethod
    def global_rate() -> float:
        return RATE

    def __call__(self, t: Any, y: Any) -> Any:
        return self.scaled(y) + self.global_rate()


def _set_class(p: float) -> Any:
    ClassNumber.rate = p
    globals()["RATE"] = 1.0
    return ClassNumber()


def _set_class_read_by_name(p: float) -> Any:
    ClassNumber.rate = p
    return lambda t, y: ClassNumber.rate * y


def _set_global_of_static_method(p: float) -> Any:
    ClassNumber.rate = 2.0
    globals()["RATE"] = p
    return ClassNumber()


class Slotted:
    __slots__ = ("p",)

    def __init__(self, p: float) -> None:
        self.p = p

    def __call__(self, t: Any, y: Any) -> Any:
        return self.p * y


class Lazy:
    def __init__(self, p: float) -> None:
        self.p = p

    @functools.cached_property
    def doubled(self) -> float:
        return 2.0 * self.p

    def __call__(self, t: Any, y: Any) -> Any:
        return self.doubled * y


@dataclasses.dataclass(frozen=True)
class Frozen:
    p: float = 3.0
    label: str = "spring"

    def __post_init__(self) -> None:
        if not self.p > -100.0:
            raise ValueError(self.p)

    def __call__(self, t: Any, y: Any) -> Any:
        return self.p * y


@dataclasses.dataclass
class Settings:
    p: float = 1.0


@dataclasses.dataclass(frozen=True)
class Decay(System):
    rate: float = 2.0
    scale: float = dataclasses.field(default=3.0, metadata={"parameter": False})
    state_names = ("a", "b")

    def rates(self, t: Any, state: Any) -> Any:
        a, b = state
        return -self.rate * a * RATE, np.sin(b) * self.scale


def _decay(p: float) -> Any:
    globals()["RATE"] = 1.25
    return Decay(p)


def _decay_global(p: float) -> Any:
    globals()["RATE"] = p
    return Decay(1.5)


def _decorated(p: float) -> Any:
    def doubled(f: Any) -> Any:
        @functools.wraps(f)
        def g(*args: Any) -> Any:
            return 2.0 * f(*args)

        return g

    @doubled
    def f(t: Any, y: Any) -> Any:
        return p * y

    return f


def _cached_helper(p: float) -> Any:
    @functools.lru_cache
    def power(k: float) -> float:
        return p * k

    return lambda t, y: power(2.0) * y


def _function_attribute(p: float) -> Any:
    def helper(y: Any) -> Any:
        return helper.rate * y  # type: ignore[attr-defined]

    helper.rate = p  # type: ignore[attr-defined]
    return lambda t, y: helper(y)


def _recursive(p: float) -> Any:
    def power(y: Any, n: int) -> Any:
        return y if n == 0 else p * power(y, n - 1)

    return lambda t, y: power(y, 2)


def _made_inside(p: float) -> Any:
    globals()["RATE"] = p

    def f(t: Any, y: Any) -> Any:
        made = Plain(RATE)
        return made.rhs(t, y)

    return f


def _default_of_a_class_made_inside(p: float) -> Any:
    @dataclasses.dataclass
    class Inner:
        k: float = p

    return lambda t, y: Inner().k * y


def _comprehension(p: float) -> Any:
    globals()["RATE"] = p
    return lambda t, y: [RATE * v for v in y]


def _functions_in_a_list(p: float) -> Any:
    terms = [lambda y: p * y, np.sin, {"last": lambda y: y / p}]
    return lambda t, y: terms[0](y) + terms[1](y) + terms[2]["last"](y)


def _local_imports(p: float) -> Any:
    def f(t: Any, y: Any) -> Any:
        import numpy
        import numpy.linalg as linear
        from numpy import array as make

        out = numpy.zeros(2)
        out[:] = make([y[0], y[1] * p]) * linear.norm(y)
        return out

    return f


ROUTES: dict[str, tuple[Callable[[float], Any], str]] = {
    "argument": (lambda p: (lambda t, y, k: k * y, (p,)), "args[0]"),
    "NumPy's float": (lambda p: (lambda t, y, k: k * y, (np.float64(p),)), "args[0]"),
    "array of no dimension": (lambda p: (lambda t, y, k: k * y, (np.array(p),)), "args[0]"),
    "array": (lambda p: (lambda t, y, k: k * y, (np.array([2.0, p]),)), "args[0][1]"),
    "matrix": (lambda p: (lambda t, y, k: k @ y, (np.array([[2.0, p], [0.0, 1.0]]),)), "args[0][0, 1]"),
    "single precision": (lambda p: (lambda t, y, k: k * y, (np.array([2.0, p], np.float32),)), "args[0][1]"),
    "nested arguments": (lambda p: (lambda t, y, k: k["a"][0] * y, ({"a": [p, 3.0]},)), "args[0]['a'][0]"),
    "named tuple": (lambda p: (lambda t, y, k: k.b * y, (Point(1.0, p),)), "args[0].b"),
    "callable argument": (lambda p: (lambda t, y, f: f(t, y), (lambda t, y: p * y,)), "p"),
    "closure": (_closure, "p"),
    "closure of a closure": (_closure_of_a_closure, "p"),
    "default": (_default, "k"),
    "keyword default": (_keyword_default, "k"),
    "global": (_set_global(_reads_global), "RATE"),
    "global of a helper": (_set_global(_calls_helpers), "RATE"),
    "list": (_set_list, "NUMBERS[0]"),
    "dict": (_set_table, "TABLE['k']"),
    "array in a global": (_set_matrix, "MATRIX[1, 0]"),
    "module": (_set_module, "physics.rate"),
    "ordered dict": (lambda p: _closure_over(OrderedDict(k=p), lambda o, y: o["k"] * y), "held['k']"),
    "deque": (lambda p: _closure_over(deque([1.0, p]), lambda o, y: o[1] * y), "held[1]"),
    "network": (lambda p: _closure_over(_network(p), lambda o, y: o([y[0], y[1]])), "held.layers[0].neurons[0].b"),
    "namespace": (lambda p: _closure_over(types.SimpleNamespace(p=p), lambda o, y: o.p * y), "held.p"),
    "dataclass": (lambda p: _closure_over(Settings(p), lambda o, y: o.p * y), "held.p"),
    "bound method": (lambda p: Plain(p).rhs, "self.p"),
    "callable object": (Plain, "self.p"),
    "override that calls super": (Child, "self.p"),
    "method of an object in a closure": (lambda p: _closure_over(Child(p), lambda o, y: o.rhs(0, y)), "held.p"),
    "slots": (Slotted, "self.p"),
    "cached property": (Lazy, "self.p"),
    "frozen dataclass": (Frozen, "self.p"),
    "attribute of a class": (_set_class, "ClassNumber.rate"),
    "attribute of a class by name": (_set_class_read_by_name, "ClassNumber.rate"),
    "global of a static method": (_set_global_of_static_method, "RATE"),
    "System": (_decay, "rate"),
    "global of a System": (_decay_global, "RATE"),
    "partial": (lambda p: functools.partial(lambda k, t, y: k * y, p), "partial[0]"),
    "partial keyword": (lambda p: functools.partial(lambda t, y, k: k * y, k=p), "partial['k']"),
    "decorated": (_decorated, "p"),
    "cached helper": (_cached_helper, "p"),
    "attribute of a function": (_function_attribute, "helper.rate"),
    "recursion": (_recursive, "p"),
    "object made inside": (_made_inside, "RATE"),
    "default of a class made inside": (_default_of_a_class_made_inside, "k"),
    "comprehension": (_comprehension, "RATE"),
    "functions in a list": (_functions_in_a_list, "p"),
    "imports inside": (_local_imports, "p"),
}


def _network(p: float) -> MLP:
    network = MLP(2, [2])
    for i, parameter in enumerate(network.parameters()):
        parameter.data = 0.5 - 0.1 * i
    network.layers[0].neurons[0].b.data = p
    return network


def _closure_over(held: Any, use: Callable[[Any, Any], Any]) -> Any:
    return lambda t, y: use(held, y)


def _made(make: Callable[[float], Any], p: float) -> tuple[Any, tuple[Any, ...]]:
    made = make(p)
    return made if isinstance(made, tuple) else (made, ())


@pytest.mark.parametrize("route", ROUTES)
def test_number_is_an_input_of_the_graph_and_has_its_derivative(route: str) -> None:
    make, name = ROUTES[route]
    p, h = 1.3, 1e-5
    fun, args = _made(make, p)
    captured, graph = traced(capture(fun, args))
    assert name in captured.names
    j = captured.names.index(name)
    values = floats(captured.values)
    assert values[j] == pytest.approx(p, rel=1e-7)
    assert [node.name for node in graph.nodes[: 3 + len(captured.names)]] == ["t", "y[0]", "y[1]", *captured.names]
    np.testing.assert_allclose(graph(T, Y, values), floats(fun(T, Y.copy(), *args)), rtol=1e-12)
    derivative = graph.jacobian(2)(T, Y, values)[:, j]
    ends = []
    for moved in (p + h, p - h):
        fun, args = _made(make, moved)
        ends.append(floats(fun(T, Y.copy(), *args)))
    difference = (ends[0] - ends[1]) / (2.0 * h)
    assert np.abs(difference).max() > 0.1
    np.testing.assert_allclose(derivative, difference, rtol=2e-2 if route == "single precision" else 1e-6, atol=1e-8)


@pytest.mark.parametrize("route", ROUTES)
def test_next_capture_sees_the_new_number_with_the_same_key(route: str) -> None:
    make, name = ROUTES[route]
    fun, args = _made(make, 1.5)
    first, graph = traced(capture(fun, args))
    fun, args = _made(make, -0.75)
    second = capture(fun, args)
    if route not in ("default of a class made inside",):  # each call makes another class
        assert second.key == first.key is not None
        assert hash(second.key) == hash(first.key)
    assert raw(second.values[second.names.index(name)]) == -0.75
    np.testing.assert_allclose(graph(T, Y, floats(second.values)), floats(fun(T, Y.copy(), *args)), rtol=1e-12)


@pytest.mark.parametrize("route", sorted(set(ROUTES) - {"default of a class made inside"}))
def test_second_capture_only_reads(route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, _ = ROUTES[route]
    traced(capture(*_made(make, 1.5)))
    capture(*_made(make, 1.5))
    monkeypatch.setattr(capture_module, "survey", None)
    again = capture(*_made(make, 2.5))  # would call None, were it to look for numbers anew
    assert 2.5 in [raw(value) for value in again.values]


# --- nothing goes stale ----------------------------------------------------------------------------------------------


def test_namespace_that_is_held_as_a_dictionary_is_read_anew() -> None:
    """Once an AttributeError; the globals of a function and an object that a closure holds are the same dictionary."""
    namespace: dict[str, Any] = {"k": 2.0}
    exec("def g(x):\n    return k * x\n", namespace)
    held = [namespace]

    def fun(t: float, y: Any) -> Any:
        return [held[0]["g"](y[0])]

    assert capture(fun)(capture(fun).values, 0.0, [3.0]) == [6.0]
    namespace["k"] = 5.0
    assert capture(fun)(capture(fun).values, 0.0, [3.0]) == [15.0]


def test_closure_that_is_set_between_solves_is_seen() -> None:
    rate = 1.0

    def set_rate(new: float) -> None:
        nonlocal rate
        rate = new

    def f(t: Any, y: Any) -> Any:
        return rate * y

    first = capture(f)
    set_rate(5.0)
    assert (first.values, capture(f).values) == ((1.0,), (5.0,))
    assert capture(f).key == first.key


def test_attribute_that_is_set_between_solves_is_seen() -> None:
    model = Plain(1.0)
    first = capture(model)
    model.p = 7.0
    assert 7.0 in capture(model).values
    assert capture(model).key == first.key
    model.gain = 3.0  # it hides the class's
    assert capture(model).key != first.key
    np.testing.assert_allclose(evaluated(model), model(T, Y))


def test_array_that_is_changed_in_place_is_seen() -> None:
    a = np.array([1.0, 2.0])
    f = _closure_over(a, lambda held, y: held * y)
    first = capture(f)
    a[1] = 9.0
    assert capture(f).values == (1.0, 9.0)
    assert first.values == (1.0, 2.0)
    np.testing.assert_allclose(evaluated(f), a * Y)


def test_list_that_grows_has_another_key() -> None:
    numbers = [1.0, 2.0]

    def f(t: Any, y: Any) -> Any:
        return sum(numbers) * y

    first = capture(f)
    numbers.append(3.0)
    assert capture(f).key != first.key
    np.testing.assert_allclose(evaluated(f), 6.0 * Y)


def _loops(t: Any, y: Any) -> Any:
    for _ in range(COUNT):
        y = 2.0 * y
    return y


def test_whole_number_in_a_global_is_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "COUNT", 1)
    first = capture(_loops)
    np.testing.assert_allclose(evaluated(_loops), 2.0 * Y)
    monkeypatch.setitem(globals(), "COUNT", 3)
    assert capture(_loops).key != first.key
    np.testing.assert_allclose(evaluated(_loops), 8.0 * Y)
    monkeypatch.setitem(globals(), "COUNT", 1)
    assert capture(_loops).key == first.key


def test_helper_that_is_replaced_has_another_key() -> None:
    terms = [lambda y: 2.0 * y]

    def f(t: Any, y: Any) -> Any:
        return terms[0](y)

    first = capture(f)
    terms[0] = lambda y: 3.0 * y
    assert capture(f).key != first.key
    np.testing.assert_allclose(evaluated(f), 3.0 * Y)


@pytest.mark.parametrize("big", [np.arange(5000.0), np.arange(5000), list(map(float, range(5000)))])
def test_large_table_is_compared_by_content(big: Any) -> None:
    def f(t: Any, y: Any) -> Any:
        return big[4321] * y

    first = capture(f)
    assert first.names == ()
    assert capture(f).key == first.key
    np.testing.assert_allclose(evaluated(f), 4321.0 * Y)
    big[4321] = 2
    assert capture(f).key != first.key
    np.testing.assert_allclose(evaluated(f), 2.0 * Y)


@pytest.mark.parametrize(("one", "two"), [("a", "b"), (True, False), (1, True), (None, 1), ((1, 2), (1, 3)), (1, 1.0)])
def test_what_is_not_lifted_is_part_of_the_key(one: Any, two: Any) -> None:
    def make(option: Any) -> Any:
        return lambda t, y: y if option else -y

    assert capture(make(one)).key != capture(make(two)).key
    assert capture(make(one)).key == capture(make(one)).key


def test_equal_code_gives_equal_keys_and_other_code_another() -> None:
    texts = ["lambda t, y, k: k * y", "lambda t, y, k: k + y", "lambda t, y, k: k * y"]
    one, two, again = (eval(text) for text in texts)  # the same text twice, as a notebook runs it
    assert capture(one, (1.0,)).key == capture(again, (2.0,)).key != capture(two, (1.0,)).key


def test_two_uses_of_one_object_stay_one_input() -> None:
    shared = [2.0]

    def helper(y: Any) -> Any:
        return shared[0] * y

    def f(t: Any, y: Any) -> Any:
        return shared[0] * helper(y)

    assert capture(f).names == ("shared[0]",)
    np.testing.assert_allclose(evaluated(f), 4.0 * Y)


def test_equal_names_are_told_apart() -> None:
    def make(k: float, inner: Any) -> Any:
        return lambda t, y: k * inner(t, y) if inner else k * y

    captured = capture(make(2.0, make(3.0, None)))
    assert len(set(captured.names)) == 2
    assert sorted(captured.values) == [2.0, 3.0]
    np.testing.assert_allclose(evaluated(make(2.0, make(3.0, None))), 6.0 * Y)


def test_what_cannot_be_understood_has_no_key() -> None:
    generator = np.random.default_rng(1)

    def f(t: Any, y: Any) -> Any:
        return y if generator else -y

    assert capture(f).key is None


def test_recording_numbers_are_lifted_as_they_are() -> None:
    value, moving = Value(2.0), dual(3.0, 1.0, 2)

    def f(t: Any, y: Any) -> Any:
        return value * y + moving

    captured = capture(f)
    assert captured.names == ("moving", "value")
    assert captured.values[0] is moving
    assert captured.values[1] is value
    assert capture(_closure(2.0)).key == capture(_closure(Value(2.0))).key  # type: ignore[arg-type]


def test_array_value_is_lifted_element_by_element() -> None:
    def total(p: Any) -> Any:
        captured = capture(_closure_over(p, lambda held, y: held * y))
        _, graph = traced(captured)
        out = graph(T, Y, list_of(captured.values))
        return out[0] + out[1]

    def list_of(values: Any) -> Any:
        from diffsim import array_ops

        return array_ops.array(list(values))

    np.testing.assert_allclose(grad(total)(np.array([1.0, 2.0])), Y)


def test_call_with_other_numbers_leaves_the_function_alone() -> None:
    model = Plain(1.5)
    captured = capture(model)
    numbers = [10.0 * x for x in captured.values]
    np.testing.assert_allclose(captured(numbers, T, Y), 20.0 * 15.0 * np.abs(Y) + 225.0)
    np.testing.assert_allclose(model(T, Y), 2.0 * 1.5 * np.abs(Y) + 2.25)
    assert type(model) is Plain


# --- whole numbers in args -------------------------------------------------------------------------------------------


def test_whole_number_in_args_is_lifted() -> None:
    captured = capture(lambda t, y, k: k * y, (2,))
    assert captured.lifted[0].name == "args[0]"
    _, graph = traced(captured)
    np.testing.assert_allclose(graph.jacobian(2)(T, Y, np.array([2.0]))[:, 0], Y)


def _indexes(t: Any, y: Any, k: int, n: int, i: Any) -> Any:
    out = np.zeros(n)
    for j in range(n):
        out[j] = k * y[i[j]]
    return out


def test_whole_number_that_is_an_index_moves_to_the_key() -> None:
    args = (3, 2, np.array([1, 0]))
    with pytest.raises(WholeNumberNeeded, match=r"args\[1\]"):
        trace_flow(capture(_indexes, args), 2)
    captured, graph = traced(capture(_indexes, args))
    assert captured.names == ("args[0]",)
    np.testing.assert_allclose(graph(T, Y, np.array([3.0])), 3.0 * Y[::-1])
    again = capture(_indexes, (4, 2, np.array([1, 0])))
    assert (again.names, again.key) == (captured.names, captured.key)
    assert capture(_indexes, (3, 2, np.array([0, 0]))).key != captured.key


@pytest.mark.parametrize(
    "use",
    [
        lambda k: sum([0.5] * k),
        lambda k: float(len((1, 2) * k)),
        lambda k: 2.0 if k & 1 else 3.0,
        lambda k: float((k | 4) + ~k),
        lambda k: 2.0 if isinstance(k, int) else 3.0,
        lambda k: {3: 2.0}[k],
        lambda k: float(1 << k),
        lambda k: math.sqrt(k),
        lambda k: np.arange(k).sum() * 1.0,
        lambda k: float(f"{k}"),
        lambda k: sum(i for i in range(k)),
        lambda k: [1.0, 2.0, 3.0, 4.0][k],
        lambda k: np.linspace(0.0, 1.0, k)[1],
        lambda k: np.eye(k)[k - 1, k - 1] * 2.0,
    ],
)
def test_whole_number_keeps_the_meaning_of_a_whole_number(use: Callable[[int], float]) -> None:
    def f(t: Any, y: Any, k: int) -> Any:
        return use(k) * y

    captured, graph = traced(capture(f, (3,)))
    assert captured.names == ()
    np.testing.assert_allclose(graph(T, Y, np.zeros(0)), f(T, Y, 3))


def test_whole_number_stays_whole_in_a_call_that_is_not_traced() -> None:
    captured = capture(_indexes, (3, 2, np.array([1, 0])))
    np.testing.assert_allclose(captured(captured.values, T, Y), 3.0 * Y[::-1])


def test_whole_number_that_a_branch_asks_for_moves_to_the_key() -> None:
    def f(t: Any, y: Any, mode: int, k: float) -> Any:
        return k * y if mode == 1 else -k * y

    captured, graph = traced(capture(f, (1, 2.0)))
    assert captured.names == ("args[1]",)
    other, other_graph = traced(capture(f, (0, 2.0)))
    assert other.key != captured.key
    np.testing.assert_allclose(graph(T, Y, np.array([2.0])), -other_graph(T, Y, np.array([2.0])))


def _lorenz(sigma: Any, rho: Any, size: int, power: int) -> Any:
    neighbours = [1, 2, 0]

    def f(t: Any, y: Any) -> Any:
        dy = np.zeros(size)
        for i in range(size):
            dy[i] = sigma * y[neighbours[i]] ** power - rho * y[i]
        return dy

    return f


def test_whole_numbers_outside_args_are_physics_where_a_trace_does_not_need_them() -> None:
    fun = _lorenz(10, 28, 3, 2)
    captured = settle(fun, (), 3)
    assert captured.names == ("rho", "sigma")
    assert captured.values == (28.0, 10.0)
    graph = trace_flow(captured, 3)
    np.testing.assert_allclose(graph(T, Y3, np.array(captured.values)), fun(T, Y3), rtol=1e-14)
    assert "power" not in graph.count()
    again = capture(_lorenz(11, 27.5, 3, 2))
    assert (again.key, again.values) == (captured.key, (27.5, 11.0))
    assert capture(_lorenz(10, 28, 3, 3)).key != captured.key
    np.testing.assert_allclose(captured(captured.values, T, Y3), fun(T, Y3), rtol=1e-14)


def test_whole_numbers_stay_compared_where_nothing_can_be_traced() -> None:
    def make(k: int) -> Any:
        return lambda t, y: k * y if y[0] > 0 else y

    assert settle(make(2), (), 2).names == ()
    assert capture(make(2)).key != capture(make(3)).key


# --- NumPy as people write it ----------------------------------------------------------------------------------------

A = np.array([[2.0, 0.3, 0.1], [0.2, 1.5, -0.4], [0.0, 0.6, 3.0]])


def _assign(t: Any, y: Any) -> Any:
    dy = np.zeros(3)
    dy[0] = y[1]
    dy[1:] = y[:2] * 2
    dy[y > 0] = 1.0
    return dy


def _fill_like(t: Any, y: Any) -> Any:
    dy = np.empty_like(y)
    dy[:] = y[::-1]
    dy[-1] -= 3
    return dy


def _masked(t: Any, y: Any) -> Any:
    dy = 2.0 * y
    dy[y > 0.5] = 0.25
    dy[y < 0] = -y[0]
    return dy


def _whole(t: Any, y: Any) -> Any:
    dy = np.zeros(3)
    dy[0] = 1
    dy += y
    dy /= 4
    return dy / 2


def _two_dimensions(t: Any, y: Any) -> Any:
    m = np.array([[y[0], 0, 1], [y[1], y[2], 0], [1, 0, y[0]]], dtype=float)
    return (m @ y + m.T.dot(y)) * np.trace(m) + np.diag(m) + m.sum(axis=0) + m.mean(axis=1)


NUMPY: dict[str, Callable[[Any, Any], Any]] = {
    "assignment": _assign,
    "fill like": _fill_like,
    "masks": _masked,
    "whole": _whole,
    "matrix": _two_dimensions,
    "alias": lambda t, y: renamed.sin(y) + la.norm(y) + cos(y) + zeros(3),
    "array": lambda t, y: np.array([y[1], y[0] * t, np.sin(y[2])], float),
    "asarray": lambda t, y: np.asarray([y[1], 1, y[2]], dtype=float)[::-1],
    "array of parts": lambda t, y: np.array([*y[1:], y[0]]),
    "list": lambda t, y: [y[1], 0, t],
    "tuple": lambda t, y: (y[1], -1.5, t),
    "unpacking": lambda t, y: (lambda a, b, c: [a * b, b * c, c * a])(*y),
    "where": lambda t, y: np.where(y > 0, y, -y) + np.where((y > 0) & (y < 1), 1.0, 0.0),
    "where of scalars": lambda t, y: y * np.where(y[0] > t, 2.0, np.where(y[1] == 3.0, 1.0, y[0])),
    "comparisons": lambda t, y: (y > 0) * y + (y <= 0.4) * 1.0 + (y != 0.4) + ~(y >= 0) * 2.0,
    "maximum": lambda t, y: np.maximum(y, 0.1) + np.minimum(y[0], y[1]) + np.fmax(y, 0) + np.fmin(y, 0),
    "builtin max": lambda t, y: y * max(y[0], y[1], 0.0) + min(y) + max(y[:2]),
    "sign": lambda t, y: np.sign(y) * np.abs(y) + abs(y) + np.fabs(y),
    "clip": lambda t, y: np.clip(y, -0.5, 0.5) + y.clip(0, 1) + np.clip(y[0], 0, None),
    "mod": lambda t, y: np.mod(y, 0.3) + y % 0.7 + y // 0.4 + np.fmod(y, 0.3) + np.remainder(y, 2),
    "rounding": lambda t, y: np.floor(y) + np.ceil(y) + np.trunc(y) + np.rint(y) + np.round(y, 1) + y.round(),
    "angles": lambda t, y: np.arctan2(y, y[0]) + np.hypot(y, 1) + np.degrees(y) + np.deg2rad(y),
    "heaviside": lambda t, y: np.heaviside(y, 0.5) + np.copysign(2.0, y) + np.heaviside(y - y, 0.25),
    "powers": lambda t, y: y**2 + y**3 + 2.0**y + np.power(np.abs(y), 1.5) + np.sqrt(y * y) + np.cbrt(y),
    "exponentials": lambda t, y: np.exp(y) + np.log(y * y) + np.log1p(y * y) + np.expm1(y) + np.log10(y * y + 1),
    "hyperbolic": lambda t, y: np.tanh(y) + np.sinh(y) + np.cosh(y) + np.arctan(y) + np.arcsinh(y) + np.logaddexp(y, 0),
    "sinc": lambda t, y: np.sinc(y) + np.sinc(y - y),
    "isnan": lambda t, y: np.where(np.isnan(y), 0.0, y) + np.where(np.isfinite(y), 1.0, y) + np.isinf(y) * 1.0,
    "any": lambda t, y: np.where(np.any(y > 1), y, -y) + np.where(np.all(y > 0), 1.0, 2.0) + (y > 0).any() * 1.0,
    "solve": lambda t, y: np.linalg.solve(A, y) + la.solve(A + np.diag(y), y),
    "inv": lambda t, y: np.linalg.inv(A + np.outer(y, y)) @ y + np.linalg.det(A * y),
    "norm": lambda t, y: y / np.linalg.norm(y) + la.norm(y[:2]) + np.linalg.norm(y, 1) + np.linalg.norm(y, np.inf),
    "sum": lambda t, y: y * np.sum(y) + y.sum() + np.sum(A * y, axis=1) + sum(y) + np.sum([y[0], y[1]]),
    "prod": lambda t, y: y * np.prod(y) + y.prod() + np.cumprod(y),
    "mean": lambda t, y: y - np.mean(y) + y.mean() + np.std(y) + y.var() + np.max(y) + y.min() + np.average(y),
    "cross": lambda t, y: np.cross(y, [1.0, 2.0, 3.0]) + np.cross(A[0], y),
    "roll": lambda t, y: np.roll(y, 1) - np.roll(y, -2) + np.flip(y) + y[::-1] + np.tile(y[:1], 3),
    "Lorenz 96": lambda t, y: (np.roll(y, -1) - np.roll(y, 2)) * np.roll(y, 1) - y + 8.0,
    "diff": lambda t, y: np.append(np.diff(y), y[0]) + np.concatenate(([0.0], np.diff(y))) + np.ediff1d(y, to_end=y[0]),
    "einsum": lambda t, y: np.einsum("ij,j->i", A, y) + np.einsum("i,i", y, y) + np.einsum("ij,i,j->i", A, y, y),
    "concatenate": lambda t, y: np.concatenate([y[:1], np.array([t, 1.0])]) + np.concatenate(([y[0]], [y[1], 2.0])),
    "dot": lambda t, y: np.dot(A, y) + A.dot(y) + y.dot(A) + np.dot(y, y) + np.inner(y, y) + np.vdot(y, y) + y @ A,
    "stack": lambda t, y: np.stack([y, 2 * y]).sum(axis=0) + np.hstack((t, y[1:])) + np.vstack((y, y)).T[:, 0],
    "columns": lambda t, y: np.column_stack((y, y))[:, 1] + np.r_[y[0], 1.0, y[1]] + np.c_[y, y][:, 0],
    "outer": lambda t, y: (
        np.outer(y, y).sum(axis=1) + np.add.outer(y, y)[0] + np.kron(y[:1], y) + np.tensordot(A, y, 1)
    ),
    "cumsum": lambda t, y: np.cumsum(y) + y.cumsum() + np.add.accumulate(y) + np.add.reduce(y) + np.maximum.reduce(y),
    "at": lambda t, y: _added_at(y),
    "trace": lambda t, y: y * np.trace(A * y) + np.diagonal(A * y) + np.diag(np.outer(y, y)) + np.tril(A * y)[1],
    "reshape": lambda t, y: y.reshape(3, 1)[:, 0] + y[:, None].ravel() + np.atleast_2d(y)[0] + y.copy().T.flatten(),
    "constants": lambda t, y: (
        np.ones(3) * y + np.eye(3) @ y + np.full(3, t) + np.linspace(0, 1, 3) * y + np.arange(3) * y
    ),
    "linspace": lambda t, y: np.linspace(y[0], y[1], 3) + np.full(3, y[2]) + np.full_like(y, y[0]) + np.ones_like(y),
    "gradient": lambda t, y: np.gradient(y) + np.gradient(y, 0.1),
    "interp": lambda t, y: np.interp(y, [-0.6, 0.0, 1.0], [1.0, 2.0, 5.0]) + np.interp(t, [0.0, 1.0], [y[0], 3.0]),
    "interp sides": lambda t, y: np.interp(y, [0.0, 1.0], [1.0, 2.0], left=-1.0, right=7.0),
    "select": lambda t, y: np.select([y > 1, y > 0], [y, 2 * y], default=-1.0) + np.piecewise(y, [y > 0], [1.0, 2.0]),
    "polyval": lambda t, y: np.polyval([1.0, -2.0, 0.5], y),
    "trapezoid": lambda t, y: y * np.trapezoid(y, dx=0.1) + np.convolve(y, [1.0, 2.0], "same"),
    "take": lambda t, y: np.take(y, [2, 0, 1]) + y[[1, 1, 0]] + y[np.array([True, True, True])] + np.repeat(y[:1], 3),
    "squeeze": lambda t, y: np.squeeze(y[None]) + np.expand_dims(y, 0)[0] + np.moveaxis(y[:, None], 0, 1)[0] + y.real,
    "meshgrid": lambda t, y: np.meshgrid(y, y)[0][1] + np.broadcast_to(y, (2, 3))[1],
    "astype": lambda t, y: y.astype(float) + np.array(y, dtype=np.float64) + np.copy(y) + y.imag + np.real(y),
    "out": lambda t, y: np.multiply(y, 2.0, out=np.zeros(3)) + np.divide(1.0, y, out=np.zeros(3), where=y != 0),
    "errstate": lambda t, y: _in_errstate(y),
    "matrix power": lambda t, y: np.linalg.matrix_power(np.diag(y), 2) @ y + np.linalg.multi_dot([A, A, y]),
    "isinstance": lambda t, y: y if isinstance(y, np.ndarray) and np.ndim(y) == 1 and np.size(y) == len(y) else -y,
    "table": lambda t, y: ops.where(ops.greater(y, 0.0), ops.sin(y), y) + ops.tanh(y[0]),
    "solve of five": lambda t, y: np.linalg.solve(np.eye(6) * 0.1 + np.outer(*_six(y)), np.tile(y, 2))[::2],
    "inverse of five": lambda t, y: (np.linalg.inv(np.diag(_six(y)[0], 0)[::-1] + np.ones((6, 6))) @ _six(y)[1])[:3],
    "nan": lambda t, y: np.nan_to_num(np.log(y), nan=2.0) + np.ptp(y) + np.nan_to_num(y / 0.0, posinf=1.0, neginf=3.0),
    "functions of lists": lambda t, y: np.maximum.reduce([y, np.zeros(3)]) + np.fromiter((2 * v for v in y), float),
    "vectorize": lambda t, y: np.vectorize(lambda v: v * 2.0)(y) + y[0].item() + y.item(1),
    "scalar of the table": lambda t, y: np.where(ops.sin(y[0]) * y > 0, y, 0.0),
}


def _six(y: Any) -> tuple[Any, Any]:
    return np.concatenate([y, 1.5 - y]), np.concatenate([y * y, [0.3, -2.0], y[:1]])


def _added_at(y: Any) -> Any:
    out = np.zeros(3)
    np.add.at(out, [0, 0, 2], y)
    return out


def _in_errstate(y: Any) -> Any:
    with np.errstate(divide="ignore"):
        return 1.0 / y


@pytest.mark.parametrize("name", NUMPY)
def test_numpy_traces_as_it_runs(name: str) -> None:
    fun = NUMPY[name]
    y = Y3.copy()
    with np.errstate(invalid="ignore", divide="ignore"):
        np.testing.assert_allclose(evaluated(fun, (), y), fun(T, y.copy()), rtol=1e-12, atol=1e-15)
        y = Y3[::-1] * -1.1
        np.testing.assert_allclose(evaluated(fun, (), y), fun(T, y.copy()), rtol=1e-12, atol=1e-15)


def test_scipys_vectorized_style_traces() -> None:
    def f(t: Any, y: Any) -> Any:
        return np.vstack((y[1] / t, -y[0] * y[1]))

    _, graph = traced(capture(f), column=True)
    np.testing.assert_allclose(graph(T, Y, np.zeros(0)), f(T, Y[:, None])[:, 0])


def test_state_that_the_function_overwrites_is_its_own() -> None:
    def f(t: Any, y: Any) -> Any:
        y[0] = 2.0 * y[1]
        y *= 2.0
        return y

    np.testing.assert_allclose(evaluated(f), f(T, Y.copy()))


def test_one_number_may_be_returned_alone() -> None:
    np.testing.assert_allclose(evaluated(lambda t, y: -y[0], (), Y[:1]), -Y[:1])


def test_library_system_is_lifted_by_its_parameters() -> None:
    captured, graph = traced(capture(Lorenz63()), 3)
    assert captured.names == ("sigma", "rho", "beta")
    np.testing.assert_allclose(graph(0.0, Y3, np.array(captured.values)), Lorenz63()(0.0, Y3))


def test_option_of_a_system_is_part_of_the_key() -> None:
    assert capture(Decay(scale=3.0)).key != capture(Decay(scale=4.0)).key
    assert "scale" not in capture(Decay()).names


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> str:
    """Text of an expression of the state, two arguments and a global."""
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(["y[0]", "y[1]", "t", "a", "b", "RATE", "0.5", "y", "y[::-1]"]))
    kind = draw(st.sampled_from(["binary", "unary", "where", "array"]))
    one, two = draw(expressions(depth - 1)), draw(expressions(depth - 1))
    if kind == "binary":
        return f"({one} {draw(st.sampled_from(['+', '-', '*']))} {two})"
    if kind == "unary":
        function = draw(st.sampled_from(["sin", "tanh", "abs", "sign", "cos"]))
        return f"np.{function}({one})"
    if kind == "where":
        return f"np.where({one} > {two}, {two}, {one})"
    return f"np.maximum({one}, np.array([{draw(st.sampled_from(['y[0]', 't', 'a', '1.0']))}, y[1]]))"


@given(expressions(), st.tuples(*[st.floats(-2.0, 2.0)] * 5))
def test_random_function_traces_as_it_runs(text: str, numbers: tuple[float, ...]) -> None:
    a, b, rate, *state = numbers
    namespace = {"np": np, "RATE": rate}
    fun = eval(f"lambda t, y, a, b: {text} + np.zeros(2)", namespace)  # a text that the test has made
    y = np.array(state)
    np.testing.assert_allclose(evaluated(fun, (a, b), y), fun(T, y, a, b), rtol=1e-12, atol=1e-12)


# --- refusals --------------------------------------------------------------------------------------------------------


def _branch(t: Any, y: Any) -> Any:
    if y[0] > 0:  # the branch
        return y
    return -y


def _branch_in_a_helper(t: Any, y: Any) -> Any:
    return _branch(t, y)


def _math(t: Any, y: Any) -> Any:
    return [math.sin(y[0]), y[1]]  # of math


def _from_math(t: Any, y: Any) -> Any:
    return [sine_of_math(y[0]), y[1]]  # of math, by name


def _math_imported_inside(t: Any, y: Any) -> Any:
    from math import atan2

    return [atan2(y[0], y[1]), y[1]]  # imported inside


def _float(t: Any, y: Any) -> Any:
    return [float(y[0]), y[1]]  # made a float


def _index(t: Any, y: Any) -> Any:
    return y * A[y[0]]  # an index


def _loop(t: Any, y: Any) -> Any:
    while y[0] < 1:  # a loop
        y = 2 * y
    return y


def _mask(t: Any, y: Any) -> Any:
    return y[y > 0]  # a mask


def _bug(t: Any, y: Any) -> Any:
    return y.nothing  # an attribute


def _prints(t: Any, y: Any) -> Any:
    print(y[0])  # printing
    return y


def _sorts(t: Any, y: Any) -> Any:
    return np.sort(y)  # sorting


def _eigenvalues(t: Any, y: Any) -> Any:
    return np.linalg.eigvals(np.outer(y, y))  # eigenvalues


def _plain_array(t: Any, y: Any) -> Any:
    out = np.arange(2) * 1
    out[0] = y[0]  # whole numbers
    return out


REFUSED: dict[Callable[[Any, Any], Any], tuple[str, str]] = {
    _branch: ("branch or loop", "if y[0] > 0:  # the branch"),
    _branch_in_a_helper: ("branch or loop", "if y[0] > 0:  # the branch"),
    _math: ("math.sin takes plain numbers.*numpy.sin", "# of math"),
    _from_math: ("math.sin takes plain numbers.*numpy.sin", "# of math, by name"),
    _math_imported_inside: ("math.atan2 .*numpy.arctan2", "# imported inside"),
    _float: (r"float\(\)", "# made a float"),
    _index: ("index", "# an index"),
    _loop: ("branch or loop", "# a loop"),
    _mask: ("mask", "# a mask"),
    _bug: ("AttributeError.*nothing", "# an attribute"),
    _prints: (r"print\(\)", "# printing"),
    _sorts: ("branch or loop", "# sorting"),
    _eigenvalues: ("eigvals", "# eigenvalues"),
    _plain_array: ("int", "# whole numbers"),
}


@pytest.mark.parametrize("fun", REFUSED, ids=lambda fun: fun.__name__)
def test_refusal_names_reason_file_and_line(fun: Callable[[Any, Any], Any]) -> None:
    reason, line = REFUSED[fun]
    with pytest.raises(TraceError, match=reason) as caught:
        trace_flow(capture(fun), 2)
    message = str(caught.value)
    assert message.startswith(f"{fun.__name__}: the right-hand side cannot be traced: ")
    with open(__file__, encoding="utf-8") as source:
        lines = source.read().splitlines()
    number = next(i for i, text in enumerate(lines, 1) if text.endswith(line))
    assert f'(test_capture.py, line {number}: "{lines[number - 1].strip()}")' in message
    assert "\n" not in message


def test_refusal_of_a_missing_return_and_of_a_wrong_shape() -> None:
    with pytest.raises(TraceError, match=r"returned None\. Is its `return` missing"):
        trace_flow(capture(lambda t, y: None), 2)
    with pytest.raises(TraceError, match=r"must return 2 numbers, like y; got shape \(3,\)"):
        trace_flow(capture(lambda t, y: [1.0, 2.0, 3.0]), 2)
    with pytest.raises(TraceError, match="shape"):
        trace_flow(capture(lambda t, y: [y[0], [y[1], y[0]]]), 2)
    with pytest.raises(TraceError, match="real numbers"):
        trace_flow(capture(lambda t, y: [y[0], "text"]), 2)
    with pytest.raises(TraceError, match="complex"):
        trace_flow(capture(lambda t, y: 1j * y), 2)


def test_refusal_that_the_function_catches_is_a_refusal_all_the_same() -> None:
    def f(t: Any, y: Any) -> Any:
        try:
            return y if y[0] > 0 else -y
        except TypeError:
            return y

    with pytest.raises(TraceError, match="branch or loop"):
        trace_flow(capture(f), 2)


def test_function_that_tells_traced_numbers_from_floats_is_found_out_at_a_state() -> None:
    def f(t: Any, y: Any) -> Any:
        return 2.0 * y if type(y[0]) is np.float64 else y

    trace_flow(capture(f), 2)
    with pytest.raises(TraceError, match="something else than with floats"):
        trace_flow(capture(f), 2, at=(T, Y))
    for fun in (_closure(2.0), lambda t, y: [np.inf, y[0]], lambda t, y: y / 0.0):
        trace_flow(capture(fun), 2, at=(T, Y))


def _random(t: Any, y: Any) -> Any:
    return y * np.random.default_rng().normal()


def test_random_function_is_detected() -> None:
    with pytest.raises(TraceError, match="impure or random"):
        trace_flow(capture(_random), 2)


def test_function_that_counts_its_calls_is_detected() -> None:
    calls = [0]
    record: dict[str, float] = {}
    total = 0

    def in_a_list(t: Any, y: Any) -> Any:
        calls[0] += 1
        return y

    def in_a_dict(t: Any, y: Any) -> Any:
        record["t"] = t
        return y

    def in_a_closure(t: Any, y: Any) -> Any:
        nonlocal total
        total += 1
        return y

    for fun in (in_a_list, in_a_dict, in_a_closure, _counts_in_a_global, Counting(1.0)):
        with pytest.raises(TraceError, match="outlives the call"):
            trace_flow(capture(fun), 2)
    assert (calls, record, total, COUNT) == ([0], {}, 0, 0)


def test_array_that_is_filled_anew_each_time_is_room_to_work_in() -> None:
    out, work = np.zeros(2), np.ones(2)

    def f(t: Any, y: Any) -> Any:
        np.multiply(y, 2.0, out=work)
        out[0], out[1] = work[1], -work[0]
        return out

    np.testing.assert_allclose(evaluated(f), [2.0 * Y[1], -2.0 * Y[0]])
    assert (out.tolist(), work.tolist()) == ([0.0, 0.0], [1.0, 1.0])


def test_array_that_carries_something_to_the_next_call_is_detected() -> None:
    held, calls = np.zeros(2), np.zeros(1)

    def adds_up(t: Any, y: Any) -> Any:
        held[:] += y
        return held

    def counts(t: Any, y: Any) -> Any:
        calls[0] += 1.0
        return y

    for fun in (adds_up, counts):
        with pytest.raises(TraceError, match="outlives the call"):
            trace_flow(capture(fun), 2)


def _counts_in_a_global(t: Any, y: Any) -> Any:
    global COUNT
    COUNT += 1
    return y


class Counting(Plain):
    def __call__(self, t: Any, y: Any) -> Any:
        self.calls = 1
        return y


def test_module_imported_inside_is_refused_where_it_may_hold_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "physics_of_a_user.py").write_text("k = 2.0\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    def f(t: Any, y: Any) -> Any:
        import physics_of_a_user  # type: ignore[import-not-found]

        return physics_of_a_user.k * y

    assert f(T, Y)[0] == 2.0 * Y[0]
    with pytest.raises(TraceError, match=r"physics_of_a_user is imported inside.*Import it at the top"):
        trace_flow(capture(f), 2)
