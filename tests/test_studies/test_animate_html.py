"""The page that plays an animation: its size and its numbers anywhere, its playing where there is a Chromium."""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from diffsim.errors import ArgumentError, RunError
from studies import _animation, animate
from studies._animation_html import plain_text
from systems import DoublePendulum, Lorenz63

ORBIT = [0.4, 0.0, 1.0, 4.0]
BROWSER = next((p for n in ("chromium", "chromium-browser", "google-chrome", "chrome") if (p := shutil.which(n))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on the PATH")
EVERYTHING = ["separation", "growth", "phase", "drift"]


@pytest.fixture(scope="module")
def film():
    return animate(DoublePendulum(), ORBIT, (0, 10), fps=30, ghosts=40, arrows="stretch", panels=EVERYTHING)


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL).group(1))


def unpacked(packed, shape):
    whole = np.frombuffer(base64.b64decode(packed["data"]), "<u2").reshape(-1, len(packed["low"])).astype(float)
    whole[whole == 65535] = np.nan
    return (whole * packed["step"] + packed["low"]).reshape(shape)


def test_ten_seconds_with_everything_are_below_a_megabyte(film, tmp_path):
    path = film.save(tmp_path / "film.html")
    assert path.stat().st_size < 300_000
    sixty = film.rerun(fps=60)
    assert len(sixty.to_html().encode()) < 1_000_000


def test_page_asks_nothing_of_the_network(film):
    page = film.to_html()
    code = re.sub(r'<script type="application/json".*?</script>', "", page, flags=re.DOTALL)
    assert not re.search(r"https?:|//[a-z]|src=|href=|@import|url\(|fetch\(|XMLHttpRequest|WebSocket|import\(", code)
    assert page.startswith("<!DOCTYPE html>")


def test_page_holds_what_the_video_shows(film):
    data = data_of(film.to_html())
    scene = data["scenes"][0]
    found = unpacked(scene["xy"], film.positions.shape)
    assert np.abs(found - film.positions).max() <= np.ptp(film.positions) / 65_000
    ghosts = unpacked(scene["ghosts"], film.ghosts.shape)
    assert np.abs(ghosts - film.ghosts).max() <= np.ptp(film.ghosts) / 65_000
    assert data["n"] == film.n_frames
    np.testing.assert_allclose(data["t0"] + data["dt"] * np.arange(data["n"]), film.times, atol=1e-12)
    for panel, kept in zip(film.panels, data["panels"], strict=True):
        assert kept["log"] == panel.log
        for line, curve in zip(panel.lines, kept["lines"], strict=True):
            y = unpacked(curve["y"], line.y.shape)
            inside = np.isfinite(line.y) & (line.y > panel.limits[2])
            np.testing.assert_allclose((10.0**y if panel.log else y)[inside], line.y[inside], rtol=1e-2, atol=1e-3)


def test_title_cannot_break_out_of_the_page():
    page = animate(DoublePendulum(), ORBIT, (0, 0.2), title="</script><b>&").to_html()
    assert page.count("</script>") == 2
    assert data_of(page)["title"] == "</script><b>&"
    assert "<title>&lt;/script&gt;&lt;b&gt;&amp;</title>" in page


def test_trajectory_that_ends_is_none_in_the_page():
    def blows_up(t, y):
        return [y[0] * y[0], 1.0 + 0.0 * y[1]]

    with pytest.warns(UserWarning, match="1 of 2 starts failed"):
        film = animate(blows_up, [[1.0, 0.0], [-1.0, 0.0]], (0, 2), fps=10, plane=(0, 1))
    found = unpacked(data_of(film.to_html())["scenes"][0]["xy"], film.positions.shape)
    np.testing.assert_array_equal(np.isnan(found), ~np.isfinite(film.positions))


def test_page_that_is_too_large_is_refused_and_nothing_is_written(film, tmp_path, monkeypatch):
    with pytest.raises(RunError, match=r"more than max_megabytes=0\.1\. Take fps=30"):
        film.to_html(max_megabytes=0.1)
    with pytest.raises(ArgumentError, match="max_megabytes must be a finite number > 0"):
        film.to_html(max_megabytes=0)
    monkeypatch.setattr(_animation, "_PAGE_MEGABYTES", 0.01)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(_animation, "page", interrupted)
    (tmp_path / "film.html").write_text("before")
    with pytest.raises(KeyboardInterrupt):
        film.save(tmp_path / "film.html")
    assert [path.name for path in tmp_path.iterdir()] == ["film.html"]
    assert (tmp_path / "film.html").read_text() == "before"


def test_labels_become_plain_letters():
    assert plain_text(r"$\theta_{1}$ [rad]") == "θ₁ [rad]"
    assert plain_text("$p_{2}$ [kg m$^{2}$/s]") == "p₂ [kg m²/s]"
    assert plain_text(r"$\Omega$ [s$^{-1}$]") == "Ω [s⁻¹]"


# -- in a browser ----------------------------------------------------------------------------------------------------

# A headless browser in virtual time draws next to no frames by itself: timers stand in for them.
SPY = """<script>
window.requestAnimationFrame = f => setTimeout(() => f(performance.now()), 16);
window.faults = []; addEventListener('error', e => faults.push(e.message));</script>"""
REPORT = """<script>
const $ = id => document.getElementById(id), told = {};
const key = (k, more) => dispatchEvent(new KeyboardEvent('keydown', {key: k, bubbles: true, ...more}));
document.addEventListener('keydown', e => e);
function press(k, more) {
  document.body.dispatchEvent(new KeyboardEvent('keydown', {key: k, bubbles: true, cancelable: true, ...more}));
}
function tell() {
  const c = $('scene'), g = c.getContext('2d'), d = g.getImageData(0, 0, c.width, c.height).data, seen = new Set();
  for (let i = 0; i < d.length; i += 4) seen.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]);
  told.colors = [0x0072b2, 0xd55e00, 0xffffff].map(v => seen.has(v));
  told.ratio = c.width / c.clientWidth; told.faults = faults; told.wide = document.documentElement.scrollWidth;
  const out = document.createElement('pre'); out.id = 'told'; out.textContent = JSON.stringify(told);
  document.body.append(out);
}
const state = () => [$('clock').textContent, $('play').getAttribute('aria-label')];
%s
</script></body>"""


def browse(film, tmp_path, script, *flags, at="", budget=4000):
    """Return what the script tells of the page, in a headless browser."""
    page = film.to_html().replace("<body>", "<body>" + SPY).replace("</body>", REPORT.replace("%s", script))
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--virtual-time-budget={budget}", *flags]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    run = subprocess.run(
        [*command, profile, "--dump-dom", path.as_uri() + at], capture_output=True, text=True, check=True, timeout=120
    )
    return json.loads(html.unescape(re.search(r'<pre id="told">(.*?)</pre>', run.stdout, re.DOTALL).group(1)))


@needs_browser
def test_page_plays_by_itself_and_draws_all_its_parts(film, tmp_path):
    told = browse(film, tmp_path, "told.first = state(); setTimeout(() => { told.later = state(); tell(); }, 2000);")
    assert told["faults"] == []
    assert told["first"] == ["0.00 / 9.97 s", "Pause"]
    assert told["later"][1] == "Pause"
    assert 1.5 < float(told["later"][0].split()[0]) < 2.6
    assert told["colors"] == [True, True, True]


@needs_browser
def test_keys_slider_and_taps_move_it(film, tmp_path):
    script = """
    told.start = state();
    press('ArrowRight'); told.right = state();
    press('ArrowRight', {shiftKey: true}); told.ten = state();
    press('ArrowLeft'); told.left = state();
    press('End'); told.end = state();
    press('Home'); told.home = state();
    press(' '); told.space = state();
    $('scene').click(); told.tap = state();
    $('play').click(); told.button = state();
    $('time').value = 150; $('time').dispatchEvent(new Event('input')); told.slider = state();
    press('+'); told.fast = $('speed').value; press('-'); press('-'); told.slow = $('speed').value;
    press(' ');
    setTimeout(() => { told.half = state(); press(' '); tell(); }, 2000);
    """
    told = browse(film, tmp_path, script, at="#t=1")
    assert told["faults"] == []
    assert told["start"] == ["1.00 / 9.97 s", "Play"]
    assert told["right"][0].startswith("1.03")
    assert told["ten"][0].startswith("1.37")
    assert told["left"][0].startswith("1.33")
    assert told["end"] == ["9.97 / 9.97 s", "Play"]
    assert told["home"] == ["0.00 / 9.97 s", "Play"]
    assert told["space"][1] == "Pause"
    assert told["tap"][1] == "Play"
    assert told["button"][1] == "Pause"
    assert told["slider"] == ["5.00 / 9.97 s", "Play"]
    assert (told["fast"], told["slow"]) == ("2", "0.5")
    assert 5.7 < float(told["half"][0].split()[0]) < 6.3


@needs_browser
def test_reduced_motion_is_respected_and_high_resolution_is_used(film, tmp_path):
    script = "setTimeout(() => { told.later = state(); tell(); }, 1000);"
    flags = ("--force-prefers-reduced-motion", "--force-device-scale-factor=2", "--window-size=500,900")
    told = browse(film, tmp_path, script, *flags)
    assert told["faults"] == []
    assert told["later"] == ["0.00 / 9.97 s", "Play"]
    assert told["ratio"] == pytest.approx(2.0, abs=0.01)
    assert told["wide"] <= 500


@needs_browser
@pytest.mark.slow
def test_a_comparison_and_a_space_curve_play_too(tmp_path):
    for film in (
        animate(DoublePendulum(), ORBIT, (0, 3), fps=30, compare=["Euler", "GaussLegendre4"], step=0.01),
        animate(Lorenz63(), [1.0, 1.0, 20.0], (0, 3), fps=30, ghosts=10, arrows="z"),
        animate(DoublePendulum(), ORBIT, (0, 3), fps=30, plane=("theta_2", "p_2"), panels=["energy"]),
    ):
        told = browse(film, tmp_path, "setTimeout(() => { told.later = state(); tell(); }, 3500);")
        assert told["faults"] == []
        assert told["later"] == ["2.97 / 2.97 s", "Play"]
