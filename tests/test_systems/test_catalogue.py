"""Systems by name, without importing what was not asked for, and from files of one's own."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import systems
from diffsim.errors import ArgumentError, KindError

MINE = """
from dataclasses import dataclass
from systems import System

@dataclass(frozen=True)
class Decay(System):
    rate: float = 2.0
    state_names = ("amount",)

    def rates(self, t, state):
        return (-self.rate * state[0],)

def plain(t, y):
    return [-y[0]]

class Other:
    pass

ready = Decay()
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(MINE, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    "name", ["DoublePendulum", "double_pendulum", "doublependulum", "DOUBLE-PENDULUM", "double pendulum"]
)
def test_find_takes_a_name_in_any_spelling(name: str) -> None:
    assert systems.find(name) is systems.DoublePendulum


def test_find_answers_an_unknown_name_with_the_nearest() -> None:
    with pytest.raises(
        ArgumentError, match=r"^systems: unknown system 'DoublePendulm'; `diffsim sys.*Did you mean 'DoublePendulum'\?$"
    ):
        systems.find("DoublePendulm")


@pytest.mark.parametrize("name", ["System", "AngularSystem", "find", "_base", ""])
def test_find_gives_systems_only(name: str) -> None:
    with pytest.raises(ArgumentError, match="unknown system"):
        systems.find(name)


@pytest.mark.parametrize("name", [None, 3, systems.find])
def test_find_refuses_what_is_no_text(name: object) -> None:
    with pytest.raises(KindError, match="name must be a text"):
        systems.find(name)  # type: ignore[arg-type]  # the wrong kind is the point


def test_names_are_what_the_public_files_offer_and_each_is_a_system() -> None:
    folder = Path(systems.__file__).parent
    public = {file.stem for file in folder.glob("*.py") if not file.stem.startswith("_")}
    found = {name: systems.find(name) for name in systems.names()}
    assert {cls.__module__ for cls in found.values()} == {f"systems.{stem}" for stem in public}, "a file offers nothing"
    for name, cls in found.items():
        assert cls.__name__ == name
        assert cls is getattr(systems, name)
        assert issubclass(cls, systems.System)
        assert not inspect.isabstract(cls)
    assert set(found) < set(dir(systems))


def test_names_differ_by_more_than_their_spelling() -> None:
    assert len({name.casefold() for name in systems.names()}) == len(systems.names())


def test_names_and_one_system_import_no_other_system() -> None:
    code = (
        "import sys, systems; systems.names(); before = [m for m in sys.modules if m.startswith('systems.')]\n"
        "systems.Lorenz63\n"
        "after = [m for m in sys.modules if m.startswith('systems.')]\n"
        "assert not any('pendulum' in m or 'kepler' in m or 'lorenz' in m for m in before), before\n"
        "assert [m for m in after if not m.startswith('systems._')] == ['systems.lorenz63'], after\n"
        "assert 'matplotlib' not in sys.modules and 'scipy' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(systems.__file__).parents[1], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_an_unknown_attribute_of_the_package_is_answered_with_the_nearest() -> None:
    with pytest.raises(AttributeError, match="Did you mean 'Kepler'"):
        systems.Kelper  # noqa: B018 - the look-up is the point


# --- files of one's own ----------------------------------------------------------------------------------------------


def test_load_runs_a_file_and_gives_its_class(mine: Path) -> None:
    cls = systems.load(f"{mine}:Decay")
    assert cls(rate=3.0)(0.0, [2.0]).tolist() == [-6.0]
    assert systems.find(f"{mine}:Decay").__name__ == "Decay"


def test_loaded_instances_can_be_pickled(mine: Path) -> None:
    system = systems.load(f"{mine}:Decay")(rate=3.0)
    assert pickle.loads(pickle.dumps(system)) == system


def test_load_needs_a_file_and_a_name(mine: Path) -> None:
    for place in ("mine.txt:Decay", f"{mine}:", f"{mine}:two words", "Decay"):
        with pytest.raises(ArgumentError, match=r"^load: place must be 'file.py:ClassName'; got place="):
            systems.load(place)


def test_load_takes_a_file_alone_for_its_only_system(mine: Path, tmp_path: Path) -> None:
    assert systems.load(str(mine)).__name__ == systems.find(str(mine)).__name__ == "Decay"
    two, none = tmp_path / "two.py", tmp_path / "none.py"
    two.write_text(f"{MINE}\nclass Other(Decay):\n    pass\n", encoding="utf-8")
    none.write_text("x = 1\n", encoding="utf-8")
    with pytest.raises(ArgumentError, match=r"two.py defines Decay, Other; say which: .*two.py:Decay\.$"):
        systems.find(str(two))
    with pytest.raises(ArgumentError, match=r"none.py defines no System\. Write a frozen dataclass"):
        systems.find(str(none))


def test_load_says_that_the_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"^load: the file must exist; .*nowhere.py' does not exist"):
        systems.load(f"{tmp_path}/nowhere.py:Decay")
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(ArgumentError, match=r"folder.py' is a folder"):
        systems.load(f"{tmp_path}/folder.py:Decay")


def test_load_says_which_systems_the_file_has(mine: Path) -> None:
    with pytest.raises(ArgumentError, match=r"unknown name 'Deacy'; it has Decay. Did you mean 'Decay'"):
        systems.load(f"{mine}:Deacy")


@pytest.mark.parametrize(
    ("name", "what"),
    [("plain", "of type function"), ("Other", "a class that is no System"), ("ready", "of type Decay")],
)
def test_load_refuses_what_is_no_system_class(mine: Path, name: str, what: str) -> None:
    with pytest.raises(KindError, match=rf"must be a subclass of systems.System; it is {what}"):
        systems.load(f"{mine}:{name}")


def test_errors_of_the_file_itself_come_through_and_leave_nothing(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("raise RuntimeError('mine')", encoding="utf-8")
    with pytest.raises(RuntimeError, match="mine"):
        systems.load(f"{file}:Decay")
    assert not [name for name in sys.modules if name.startswith("broken_")]
