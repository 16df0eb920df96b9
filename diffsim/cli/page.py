"""One HTML page that holds together without a network: headings, text, tables, pictures, films."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Page"]

_STYLE = """
:root { color-scheme: light dark; --ink: #23272e; --paper: #ffffff; --faint: #d8dce2; --muted: #5d6570; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --paper: #16181c; --faint: #3a3f47; --muted: #9aa3ad; } }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 52rem; margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.9rem; line-height: 1.2; } h2 { font-size: 1.3rem; margin-top: 2.5rem; }
p, figcaption { max-width: 44rem; } figure { margin: 1rem 0; } figcaption { color: var(--muted); font-size: 0.9rem; }
img, video { max-width: 100%; height: auto; border: 1px solid var(--faint); border-radius: 6px; background: #ffffff; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.93rem; }
th, td { padding: 0.3rem 0.9rem 0.3rem 0; text-align: left; border-bottom: 1px solid var(--faint); }
td.number, th.number { text-align: right; } code, pre { font-size: 0.9em; }
"""


@dataclass
class Page:
    """A page under construction; each method adds a piece, `render` gives the text.

    Texts are escaped, so that anything may stand in them; a piece of a text between backquotes becomes code.

    >>> page = Page("Title")
    >>> page.text("a < b, by `diffsim tour`")
    >>> "<p>a &lt; b, by <code>diffsim tour</code></p>" in page.render()
    True
    """

    title: str
    _pieces: list[str] = field(default_factory=list)

    def heading(self, text: str) -> None:
        """Add a heading of second rank."""
        self._pieces.append(f"<h2>{_inline(text)}</h2>")

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._pieces.append(f"<p>{_inline(text)}</p>")

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table, without a header where that is empty; columns of numbers are set to the right."""
        right = [all(_is_number(row[i]) for row in rows) for i in range(len(header))]

        def line(tag: str, cells: Sequence[str]) -> str:
            marks = [' class="number"' if to_right else "" for to_right in right]
            inner = [f"<{tag}{mark}>{_inline(cell)}</{tag}>" for mark, cell in zip(marks, cells, strict=True)]
            return f"<tr>{''.join(inner)}</tr>"

        head = [line("th", header)] if any(header) else []
        body = "\n".join([*head, *(line("td", row) for row in rows)])
        self._pieces.append(f'<div class="wide"><table>\n{body}\n</table></div>')

    def picture(self, file: str, caption: str) -> None:
        """Add a picture that lies beside the page."""
        name = html.escape(file, quote=True)
        inner = f'<a href="{name}"><img src="{name}" alt="{html.escape(caption, quote=True)}"></a>'
        self._pieces.append(f"<figure>{inner}<figcaption>{_inline(caption)}</figcaption></figure>")

    def film(self, file: str, caption: str) -> None:
        """Add a film that lies beside the page."""
        name = html.escape(file, quote=True)
        inner = f'<video src="{name}" controls loop muted playsinline></video>'
        self._pieces.append(f"<figure>{inner}<figcaption>{_inline(caption)}</figcaption></figure>")

    def render(self) -> str:
        """Return the whole page."""
        title = html.escape(self.title)
        head = (
            f'<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{title}</title>\n<style>{_STYLE}</style>"
        )
        body = "\n".join([f"<h1>{title}</h1>", *self._pieces])
        return f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'


def _inline(text: str) -> str:
    """Escape a text and turn its backquoted pieces into code."""
    pieces = html.escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces))


def _is_number(cell: str) -> bool:
    """Whether a cell is a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
