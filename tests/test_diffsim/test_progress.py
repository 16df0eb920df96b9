"""A progress bar is quiet for a second, and always quiet into a file."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from pathlib import Path

import pytest

from diffsim.progress import progress_bar

ROOT = Path(__file__).parents[2]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _work(seconds: float, enabled: bool = True) -> None:
    with progress_bar(4, "stepping", enabled, unit="steps") as bar:
        for _ in range(4):
            time.sleep(seconds / 4)
            bar.update(1)


def test_long_work_on_a_terminal_shows_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    _work(1.3)
    assert "stepping" in terminal.getvalue()
    assert "steps" in terminal.getvalue()


def test_short_work_on_a_terminal_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    _work(0.0)
    assert terminal.getvalue().strip() == ""


@pytest.mark.parametrize(("stream", "enabled"), [(io.StringIO(), True), (_Terminal(), False), (None, True)])
def test_silent_when_it_would_not_be_seen_or_is_not_wanted(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None, enabled: bool
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr("diffsim.progress._DELAY", 0.0)
    _work(0.0, enabled)
    assert stream is None or stream.getvalue() == ""


def test_the_bar_is_closed_when_the_work_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", _Terminal())
    with pytest.raises(ZeroDivisionError), progress_bar(None, "stepping", True) as bar:
        bar.update(1 / 0)


def test_tqdm_is_not_imported_when_nothing_is_shown() -> None:
    code = (
        "import sys; from diffsim.progress import progress_bar\n"
        "with progress_bar(2, 'x', False) as bar: bar.update()\n"
        "sys.exit('tqdm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
