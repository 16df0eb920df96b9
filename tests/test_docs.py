"""The documentation tells the truth: every page runs, prints what it shows and draws its pictures; links lead on."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def _load_builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_build", DOCS / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


build = _load_builder()
PAGES = build.pages()
CHAPTERS = [page for page in PAGES if page.parent.name == "tutorial"]


def test_tutorial_has_its_six_chapters() -> None:
    assert [page.name[0] for page in CHAPTERS] == list("123456")


LONG = ("2-moons", "balance", "chaos", "fit", "stiff")
"""Pages whose examples take more than a few seconds."""
RUN = [pytest.param(page, id=page.stem, marks=[pytest.mark.slow] * (page.stem in LONG)) for page in PAGES]


@pytest.mark.parametrize("page", RUN)
def test_page_runs_and_shows_what_it_prints(page: Path) -> None:
    build.check(page)


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_notebook_has_the_text_and_the_code_of_its_page(page: Path) -> None:
    shown = json.loads(page.with_suffix(".ipynb").read_text(encoding="utf-8"))
    assert shown == json.loads(build.notebook(page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []


def test_pictures_are_all_used_and_small() -> None:
    texts = {page: page.read_text(encoding="utf-8") for page in PAGES}
    links = [(page, path) for page, text in texts.items() for path in re.findall(r"\((\S+\.(?:png|gif))\)", text)]
    used = {(page.parent / path).resolve() for page, path in links}
    own = {*DOCS.glob("tutorial/images/*"), *DOCS.glob("images/docs-*")}
    assert own - used == set()
    assert sum(path.stat().st_size for path in own) < 1.75e6


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("end 1.50 after 3 steps", "end 1.51 after 3 steps", True),
        ("end 1.50 after 3 steps", "end 1.52 after 3 steps", False),
        ("end 1.50 after 3 steps", "end 1.50 after 4 steps", False),
        ("end 1.50", "start 1.50", False),
        ("1.0e-05", "1.1e-05", True),
        ("1.0e-05", "1.0e-06", False),
        ("[1. 2.]", "[ 1.  2.]", True),
        ("-0.12", "0.12", False),
        ("0.5", "0.5 0.5", False),
    ],
)
def test_comparison_allows_one_unit_in_the_last_place(shown: str, printed: str, same: bool) -> None:
    assert build.same(shown, printed) is same


def _page(folder: Path, text: str) -> Path:
    page = folder / "page.md"
    page.write_text(text, encoding="utf-8")
    return page


def test_check_refuses_a_page_that_shows_something_else(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="prints"):
        build.check(_page(tmp_path, "```python\n1 + 1\n```\n\n```text\n3\n```\n"))


def test_check_refuses_a_wrong_doctest(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Expected"):
        build.check(_page(tmp_path, "```python\n>>> 1 + 1\n3\n```\n"))


def test_check_refuses_a_figure_that_no_link_shows(tmp_path: Path) -> None:
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
    with pytest.raises(RuntimeError, match="makes 1 pictures, 0 are linked"):
        build.check(_page(tmp_path, f"```python\n{code}\n```\n"))


def test_check_refuses_a_warning(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="beware"):
        build.check(_page(tmp_path, "```python\nimport warnings\n\nwarnings.warn('beware')\n```\n"))


def test_every_fence_of_python_code_is_run() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert len(re.findall(r"```(?:py|python)", text)) == len(build.blocks_of(text))


def test_the_picture_of_the_zoo_has_a_panel_a_system() -> None:
    names = ["BouncingBall", "Kepler", "LogisticMap"]
    figure = build.draw_zoo(names, columns=2)
    assert [panel.get_title() for panel in figure.axes] == [*names, ""]
    assert all(panel.has_data() for panel in figure.axes[:3])
    assert (DOCS / "images" / "zoo.png").stat().st_size < 1.75e6


@pytest.mark.slow
def test_the_whole_picture_of_the_zoo_can_be_drawn() -> None:
    import systems

    figure = build.draw_zoo(systems.names())
    figure.canvas.draw()
    panels = [panel for panel in figure.axes if panel.get_title()]
    assert [panel.get_title() for panel in panels] == systems.names()
    assert all(panel.has_data() for panel in panels)
