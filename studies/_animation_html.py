"""An animation as one HTML file: its numbers in 16 bits each, and the page that plays them."""

from __future__ import annotations

import base64
import html
import json
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies._animation_panels import Panel
from studies._animation_player import PLAYER, STYLE_SHEET
from studies._animation_scene import Picture
from studies._animation_stage import Stage, cut_open

__all__: list[str] = []

Floats = NDArray[np.float64]

_STEPS = 65_000  # of the range of a coordinate
_NONE = 65_535  # stands for "no value here"
_LOW_DIGITS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_HIGH_DIGITS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_GREEK = dict(
    zip(
        (
            *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "kappa", "lambda"),
            *("mu", "nu", "xi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega"),
        ),
        "αβγδεζηθκλμνξρστφχψω",
        strict=True,
    )
)


def page(picture: Picture, fps: float, speed: float, name: str) -> str:
    """Return the whole page, the same for the same picture."""
    data = json.dumps(payload(picture, fps, speed), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    title = html.escape(picture.title or name)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<style>{STYLE_SHEET}</style></head>\n<body>\n"
        f'<main id="film"><canvas id="scene" tabindex="0" role="img" aria-label="{title}: animation of a motion. '
        'Space plays and pauses, the arrow keys go from frame to frame."></canvas>\n'
        '<div id="controls"><button id="play" type="button" aria-label="Play">▶</button>'
        '<input id="time" type="range" min="0" value="0" step="any" aria-label="Time">'
        '<output id="clock"></output>'
        '<label>speed <select id="speed" aria-label="Speed"></select></label></div></main>\n'
        f'<script type="application/json" id="data">{data}</script>\n<script>{PLAYER}</script>\n</body></html>\n'
    )


def payload(picture: Picture, fps: float, speed: float) -> dict[str, Any]:
    """Return all that the page knows, as plain data for JSON."""
    style = picture.style
    return {
        "title": picture.title,
        "n": len(picture.times),
        "fps": fps,
        "speed": speed,
        "t0": float(picture.times[0]),
        "dt": float(picture.times[1] - picture.times[0]) if len(picture.times) > 1 else 0.0,
        "decimals": picture.decimals,
        "trail": picture.trail_frames,
        "style": {
            "background": style.background,
            "ink": style.ink,
            "muted": style.muted,
            "faint": style.faint,
            "accent": style.accent,
        },
        "scenes": [_scene(part) for part in picture.parts()],
        "panels": [_panel(panel) for panel in picture.panels],
    }


def plain_text(words: str) -> str:
    """Return a label in mathematics as plain letters.

    >>> plain_text("$\\\\theta_{1}$ [kg m$^{2}$/s]")
    'θ₁ [kg m²/s]'
    """
    words = re.sub(r"\\([A-Za-z]+)", lambda m: _greek(m.group(1)), words)
    words = re.sub(r"_\{?(\d+)\}?", lambda m: m.group(1).translate(_LOW_DIGITS), words)
    words = re.sub(r"\^\{?(-?\d+)\}?", lambda m: m.group(1).translate(_HIGH_DIGITS), words)
    return words.replace("$", "").replace("{", "").replace("}", "")


def _greek(word: str) -> str:
    """Return the letter of that name, a capital for a capital."""
    letter = _GREEK.get(word.lower(), word)
    return letter.upper() if word[:1].isupper() and letter != word else letter


def _scene(part: Picture) -> dict[str, Any]:
    """Return one scene."""
    count, n_points = part.positions.shape[1:3]
    return {
        "name": part.name,
        "limits": list(part.limits),
        "equal": part.equal,
        "axes": [plain_text(words) for words in part.axis_labels],
        "turns": [cut is not None for cut in part.cuts],
        "count": count,
        "points": n_points,
        "rigid": rigid(part),
        "colors": [_css(color) for color in part.colors],
        "labels": list(part.labels),
        "xy": _packed(cut_open(part.positions, part.cuts)),
        "ghosts": None if part.ghosts is None else _packed(cut_open(part.ghosts, part.cuts)),
        "arrows": None if part.arrows is None else _packed(_unit(part.arrows)),
    }


def rigid(part: Picture) -> bool:
    """Whether the points of a scene are joined by rods."""
    from matplotlib.figure import Figure

    return Stage(part, Figure().add_subplot()).rigid()


def _panel(panel: Panel) -> dict[str, Any]:
    """Return one panel; of a logarithmic one the logarithms."""
    limits = list(panel.limits)
    if panel.log:
        limits[2:] = [float(np.log10(value)) for value in limits[2:]]
    lines = []
    for line in panel.lines:
        y = line.y
        if panel.log:
            with np.errstate(divide="ignore", invalid="ignore"):
                y = np.clip(np.log10(y), limits[2] - 1.0, limits[3] + 1.0)
        lines.append(
            {
                "label": line.label,
                "color": _css(np.asarray(line.color)),
                "dashed": line.dashed,
                "x": None if line.x is None else _packed(line.x),
                "y": _packed(y),
            }
        )
    return {
        "axes": [plain_text(words) for words in panel.axis_labels],
        "limits": limits,
        "log": panel.log,
        "turns": list(panel.turns),
        "lines": lines,
    }


def _unit(arrows: Floats) -> Floats:
    """Return the arrows of each frame relative to its longest."""
    longest = np.abs(arrows).max(axis=(1, 2), keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(longest > 0.0, arrows / longest, 0.0))


def _packed(values: Floats) -> dict[str, Any]:
    """Return an array as 16-bit integers in base64; coordinates along a last axis of 2 have a range each."""
    flat = values.reshape(-1, 2) if values.ndim > 1 else values.reshape(-1, 1)
    known = np.where(np.isfinite(flat), flat, np.nan)
    alive = np.isfinite(known).any(axis=0)
    low = np.where(alive, np.min(np.where(np.isnan(known), np.inf, known), axis=0), 0.0)
    high = np.where(alive, np.max(np.where(np.isnan(known), -np.inf, known), axis=0), 0.0)
    step = np.where(high > low, (high - low) / _STEPS, 1.0)
    with np.errstate(invalid="ignore"):
        whole = np.where(np.isnan(known), _NONE, np.rint((known - low) / step)).astype("<u2")
    return {"low": low.tolist(), "step": step.tolist(), "data": base64.b64encode(whole.tobytes()).decode("ascii")}


def _css(color: Floats) -> str:
    """Return an RGBA colour as ``#rrggbb``."""
    return "#" + "".join(f"{round(255 * float(part)):02x}" for part in color[:3])
