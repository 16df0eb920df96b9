"""Run the pages of this folder: fill in what they print, draw their figures, write the tutorial's notebooks.

    python docs/build.py            run every page and rewrite outputs, figures and notebooks
    python docs/build.py 1-line     only the pages whose name contains this
    python docs/build.py zoo        the picture of the zoo alone

A page is plain Markdown.  Its ``python`` blocks are run from top to bottom in one namespace, as in a notebook:

- what a block prints, and the value of its last expression, stand in the ``text`` block behind it;
- the figures and films that it shows stand behind it as pictures, ``![...](images/name.png)``, in the order in which
  they are made;
- a block that begins with ``>>>`` is a doctest and holds its own output.

`tests/test_docs.py` runs every page with `check`, which compares instead of writing.  Decimal numbers may differ by one
unit in the last place that is shown, since the last bits of sine and cosine are not the same on every machine.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import io
import json
import linecache
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent
_BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```\n)?", re.MULTILINE | re.DOTALL)
_PICTURE = re.compile(r"^!\[[^\]]*\]\((?P<path>[^)]+\.(?:png|gif))\)\n", re.MULTILINE)
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?")


@dataclass
class Block:
    """One block of code of a page, where it stands, and what has come of it."""

    code: str
    shown: str
    line: int
    start: int
    end: int
    pictures: list[str]
    printed: str = ""
    images: list[Any] = field(default_factory=list)

    @property
    def is_doctest(self) -> bool:
        """Whether it holds its own output."""
        return self.code.startswith(">>>")


def pages() -> list[Path]:
    """All pages of this folder, the tutorial first."""
    return [*sorted((ROOT / "tutorial").glob("*.md")), *sorted(ROOT.glob("*.md"))]


def blocks_of(text: str) -> list[Block]:
    """The blocks of a page in order, each with the pictures that stand between it and the next one."""
    found = list(_BLOCK.finditer(text))
    ends = [*(match.start() for match in found[1:]), len(text)][: len(found)]
    return [
        Block(
            match["code"],
            match["output"] or "",
            text.count("\n", 0, match.start()) + 1,
            match.start(),
            match.end(),
            [picture["path"] for picture in _PICTURE.finditer(text, match.end(), end)],
        )
        for match, end in zip(found, ends, strict=True)
    ]


def run(page: Path) -> list[Block]:
    """Run all blocks of a page in one namespace; warnings are errors."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    namespace: dict[str, Any] = {"__name__": "__main__"}
    text = page.read_text(encoding="utf-8")
    blocks = blocks_of(text)
    # Messages quote lines of the page, wherever it is run from.
    linecache.cache[page.name] = (len(text), None, text.splitlines(keepends=True), page.name)
    with warnings.catch_warnings(), plt.rc_context(), _shown_figures() as shown:
        warnings.simplefilter("error")
        for block in blocks:
            if block.is_doctest:
                _run_doctest(page, block, namespace)
                continue
            try:
                _run_block(page, block, namespace)
            except Exception as error:
                raise RuntimeError(f"{page.name}, block at line {block.line}: {error!r}") from error
            block.images = [*shown, *block.images]
            shown.clear()
            if len(block.images) != len(block.pictures):
                raise RuntimeError(
                    f"{page.name}, block at line {block.line}: makes {len(block.images)} pictures, "
                    f"{len(block.pictures)} are linked: {block.pictures}"
                )
    return blocks


@contextlib.contextmanager
def _shown_figures() -> Iterator[list[Any]]:
    """Collect the figures that ``plt.show()`` would show."""
    import matplotlib.pyplot as plt

    shown: list[Any] = []

    def show(*args: Any, **kwargs: Any) -> None:
        shown.extend(plt.figure(number) for number in plt.get_fignums())
        plt.close("all")

    original, plt.show = plt.show, show
    try:
        yield shown
    finally:
        plt.show = original
        plt.close("all")


def _run_block(page: Path, block: Block, namespace: dict[str, Any]) -> None:
    """Run one block as a notebook does: the value of a last expression is shown."""
    tree = ast.parse("\n" * block.line + block.code, page.name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(tree, page.name, "exec"), namespace)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), page.name, "eval"), namespace)
            if hasattr(value, "savefig") or hasattr(value, "frame"):
                block.images.append(value)
            elif value is not None:
                print(repr(value))
    block.printed = output.getvalue()


class _Checker(doctest.OutputChecker):
    """Takes numbers that agree in all places shown but the last."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return super().check_output(want, got, optionflags) or same(want, got)


def _run_doctest(page: Path, block: Block, namespace: dict[str, Any]) -> None:
    name = f"{page.name}, line {block.line}"
    test = doctest.DocTestParser().get_doctest(block.code, namespace, name, str(page), block.line)
    runner = doctest.DocTestRunner(_Checker(), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    report = io.StringIO()
    failed, _ = runner.run(test, out=report.write, clear_globs=False)
    namespace.update(test.globs)
    if failed:
        raise RuntimeError(f"{name}:\n{report.getvalue()}")


def same(shown: str, printed: str) -> bool:
    """Whether two outputs say the same: equal words and integers, decimals within a unit in the last place shown."""
    words, found = (re.sub(r"\s", "", _NUMBER.sub("#", text)) for text in (shown, printed))
    if words != found:
        return False
    return all(_near(a, b) for a, b in zip(_NUMBER.findall(shown), _NUMBER.findall(printed), strict=True))


def _near(a: str, b: str) -> bool:
    if a == b:
        return True
    mantissa, _, exponent = a.partition("e")
    if "." not in mantissa and not exponent:
        return False
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    return abs(float(a) - float(b)) <= 1.01 * unit


def check(page: Path) -> None:
    """Run a page; raise where it prints something else than it shows, or where a picture cannot be drawn."""
    for block in run(page):
        if not same(block.shown, block.printed):
            raise AssertionError(
                f"{page.name}, block at line {block.line} shows\n{block.shown}\nbut prints\n{block.printed}"
            )
        for path, image in zip(block.pictures, block.images, strict=True):
            if not (page.parent / path).is_file():
                raise AssertionError(f"{page.name}: no file {path}. Run docs/build.py.")
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                image.frame(0) if hasattr(image, "frame") else image.savefig(io.BytesIO(), dpi=40)


def build(page: Path) -> None:
    """Run a page; write what it prints, its pictures, and the notebook of a page of the tutorial."""
    text = page.read_text(encoding="utf-8")
    blocks = run(page)
    for block in reversed(blocks):
        if not block.is_doctest:
            output = f"\n```text\n{block.printed.rstrip()}\n```\n" if block.printed else ""
            text = f"{text[: block.start]}```python\n{block.code}```\n{output}{text[block.end :]}"
        for path, image in zip(block.pictures, block.images, strict=True):
            target = page.parent / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if hasattr(image, "frame"):
                image.save(target)
            else:
                image.savefig(target, dpi=110, metadata={"Software": None})
                _shrink(target)
    page.write_text(text, encoding="utf-8")
    if page.parent != ROOT:
        page.with_suffix(".ipynb").write_text(notebook(text), encoding="utf-8")


def _shrink(picture: Path) -> None:
    """Write a PNG again with a palette of 256 colours: a third of the size, no difference to the eye."""
    from PIL import Image

    with Image.open(picture) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(picture, optimize=True)


def notebook(text: str) -> str:
    """A page as a Jupyter notebook: with its text and what it prints; the pictures come when it is run."""
    cells: list[dict[str, Any]] = []

    def add(kind: str, source: str, **fields: Any) -> None:
        source = source.strip()
        if source:
            lines = source.splitlines(keepends=True)
            cells.append({"cell_type": kind, "id": f"cell-{len(cells)}", "metadata": {}, "source": lines, **fields})

    position = 0
    for block in blocks_of(text):
        add("markdown", _without_pictures(text[position : block.start]))
        lines = block.shown.splitlines(keepends=True)
        outputs = [{"name": "stdout", "output_type": "stream", "text": lines}] if lines else []
        # The line makes Jupyter show figures that were made without pyplot, such as those of `ds.draw_graph`.
        first = "" if position else "%matplotlib inline\n"
        add("code", first + block.code, execution_count=None, outputs=outputs)
        position = block.end
    add("markdown", _without_pictures(text[position:]))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    content = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _without_pictures(text: str) -> str:
    text = re.sub(r"\]\((\d-[a-z-]+)\.md\)", r"](\1.ipynb)", _PICTURE.sub("", text))  # chapters link to each other
    return re.sub(r"\n{3,}", "\n\n", text)


def draw_zoo(names: list[str], columns: int = 8) -> Any:
    """Return a figure with the portrait of every system, a panel each."""
    import systems
    from matplotlib.figure import Figure
    from studies import portrait

    rows = -(-len(names) // columns)
    figure = Figure(figsize=(1.9 * columns, 2.05 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, name in zip(panels, names, strict=False):
        portrait(systems.find(name)()).draw(panel, labels=False)
        panel.set_title(name, fontsize=9)
    for panel in panels[len(names) :]:
        panel.set_axis_off()
    return figure


def build_zoo() -> None:
    """Draw the picture of the zoo anew."""
    import systems

    target = ROOT / "images" / "zoo.png"
    draw_zoo(systems.names()).savefig(target, dpi=100, metadata={"Software": None})
    _shrink(target)


def main(words: list[str]) -> None:
    """Build the pages that the words name, or all."""
    if not words or "zoo" in words:
        print("images/zoo.png", flush=True)
        build_zoo()
    for page in pages():
        if not words or any(word in page.name for word in words):
            print(page.relative_to(ROOT), flush=True)
            build(page)


if __name__ == "__main__":
    main(sys.argv[1:])
