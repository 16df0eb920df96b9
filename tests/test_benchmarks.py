"""The benchmarks measure what they say: diffsim's answers are right, rounds are paired, tables tell the truth."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import diffsim as ds
from benchmarks import frame, machine, ours, plan, plot, precision, report, run, summary, workloads
from benchmarks.frame import Task
from benchmarks.peers import numpy_peer

ROOT = Path(__file__).parents[1]
GROUPS = plan.groups(threads=2)


def answer(workload: Callable[[Task], frame.Case], **sizes: Any) -> list[float]:
    return frame.first(workload, Task(**sizes))


# -- diffsim's side ----------------------------------------------------------------------------------------------


def test_w2_gives_the_gradient_that_every_peer_gives() -> None:
    # SOURCE: jax 0.10, CasADi 3.8, autograd 1.9 and micrograd 0.1 agree on these digits.
    known = [13.3733817647, 18.1095188664, -40.4165170636, -23.0528038335]
    np.testing.assert_allclose(answer(ours.w2, steps=500), known, rtol=1e-9)  # chaos: peers differ by 1e-11


def test_w1_agrees_with_tangents_by_hand() -> None:
    sizes = {"n": 8, "steps": 50}
    assert answer(ours.w1, **sizes) == pytest.approx(answer(numpy_peer.w1, **sizes), rel=1e-12)


def test_w5_agrees_with_tangents_by_hand() -> None:
    theta_1, theta_2 = (np.array([angle]) for angle in workloads.REGULAR[:2])
    expected = numpy_peer.integrate(theta_1, theta_2, 40, h=0.001)[8:12, 0]  # the row of theta_2
    np.testing.assert_allclose(answer(ours.w5, steps=40), expected, rtol=1e-12)
    assert answer(ours.w5, steps=40, variant="forward") == pytest.approx(
        numpy_peer.integrate(theta_1, theta_2, 40, h=0.001)[1].tolist(), rel=1e-13
    )


def lorenz_loss(y: Any, forcing: Any, steps: int, h: float = 0.01) -> Any:
    """W8's loss by an own RK4 in NumPy, for complex numbers too."""
    for _ in range(steps):
        k_1 = ours.lorenz_96(0.0, y, forcing)
        k_2 = ours.lorenz_96(0.0, y + h / 2 * k_1, forcing)
        k_3 = ours.lorenz_96(0.0, y + h / 2 * k_2, forcing)
        y = y + h / 6 * (k_1 + 2 * k_2 + 2 * k_3 + ours.lorenz_96(0.0, y + h * k_3, forcing))
    return np.sum(y**2)


def test_w8_agrees_with_complex_steps() -> None:
    n, steps, tiny = 7, 20, 1e-100
    start = workloads.lorenz_start(n)
    by_start = [lorenz_loss(start + tiny * 1j * unit, 8.0, steps).imag / tiny for unit in np.eye(n)]
    by_forcing = lorenz_loss(start.astype(complex), 8.0 + tiny * 1j, steps).imag / tiny
    expected = workloads.lorenz_answer(by_start, by_forcing)
    np.testing.assert_allclose(answer(ours.w8, n=n, steps=steps), expected, rtol=1e-12)


def test_w9_agrees_whatever_the_method() -> None:
    expected = answer(ours.w9, variant="Radau")
    rates, tolerances = np.array(workloads.ROBERTSON_RATES), {"rtol": 1e-8, "atol": 1e-12}
    end = ds.solve_ivp(ours.robertson, (0.0, 1e5), [1.0, 0.0, 0.0], "Radau", args=(rates,), **tolerances).y[:, -1]
    # all reactions twice as fast are a clock that runs twice as fast
    assert sum(expected[3:]) == pytest.approx(1e5 * ours.robertson(0.0, end, rates)[2], rel=1e-4)
    for variant in ("BDF", "Rodas5P"):
        np.testing.assert_allclose(answer(ours.w9, variant=variant), expected, rtol=1e-3)


def test_w1_in_c_agrees(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    source, program = str(ROOT / "benchmarks" / "c" / "w1.c"), str(tmp_path / "w1")
    subprocess.run(["gcc", *machine.C_FLAGS, "-DINLINE_TRIG", source, "-o", program, "-lm"], check=True)
    printed = subprocess.run([program, "8", "50", "1", "1"], capture_output=True, text=True, check=True).stdout
    assert json.loads(printed)["answer"] == pytest.approx(answer(ours.w1, n=8, steps=50), rel=1e-12)


def test_growth_is_the_mean_over_the_calm_cells_only() -> None:
    jacobian = np.zeros((4, 4, 49))  # 7 x 7 angles: -3, -2, ..., 3; only the one in the middle is calm
    jacobian[0, 0] = 1e6
    jacobian[:, :, 24] = 0.0
    jacobian[1, 2, 24], jacobian[2, 1, 24] = 3.0, 4.0
    assert workloads.growth(jacobian, 7) == pytest.approx([np.log10(5.0), 3.0], rel=1e-15)


def test_a_runner_in_its_own_process_prints_times_and_answer() -> None:
    command = [sys.executable, "-m", "benchmarks.ours", "W2", "--steps", "3", "--runs", "2", "--seconds", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["answer"] == pytest.approx(answer(ours.w2, steps=3), rel=1e-14)
    assert len(found["wall"]) == len(found["cpu"]) == 2
    assert found["first"] > min(found["wall"]) > 0.0


# -- the plan ----------------------------------------------------------------------------------------------------


def functions(runner: str) -> set[str]:
    """The functions of a runner's module, which may not be importable here."""
    file = ROOT / f"{runner.replace('.', '/')}.py"
    return {node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_every_job_of_the_plan_has_its_runner() -> None:
    jobs = [(group, job) for group in GROUPS for job in (group.ours, *group.peers)]
    missing = [
        (group.key, job.label)
        for group, job in jobs
        if job.runner.startswith("benchmarks.")
        and ("w2" if group.fresh else group.workload.lower()) not in functions(job.runner)
    ]
    assert missing == []
    assert len({group.key for group in GROUPS}) == len(GROUPS)


def test_labels_are_unique_within_a_group() -> None:
    for group in GROUPS:
        labels = [group.ours.label, *(job.label for job in group.peers)]
        assert len(set(labels)) == len(labels)


def test_w4_runs_only_when_it_is_named() -> None:
    assert "W4" not in {group.workload for group in run.chosen(run.parse([]))}
    assert {group.workload for group in run.chosen(run.parse(["W4"]))} == {"W4"}


def test_peers_are_chosen_by_name() -> None:
    (group,) = run.chosen(run.parse(["W1-64", "--peers", "C,jax"]))
    assert {job.label.split(",")[0] for job in group.peers} == {"C", "JAX"}


@pytest.mark.skipif(sys.platform == "win32", reason="environments are laid out in another way")
def test_peers_are_found_in_their_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def environment(name: str, *packages: str) -> Path:
        folder = tmp_path / name
        for package in packages:
            place = folder / "lib" / "python3.11" / "site-packages" / package
            place.mkdir(parents=True)
            (place / "__init__.py").touch()
        (folder / "bin").mkdir()
        (folder / "bin" / "python").touch()
        (folder / "pyvenv.cfg").touch()
        return folder / "bin" / "python"

    main, other = environment("many/main", "jax", "heyoka"), environment("many/other", "heyoka", "casadi")
    alone = environment("alone", "casadi", "jax", "autograd")
    monkeypatch.setenv("PEERS_VENV", f"{tmp_path / 'many'}:{tmp_path / 'alone'}")
    found = machine.find_pythons({"jax", "heyoka", "casadi", "autograd", "no_such_package"})
    own = Path(sys.executable)
    expected = {"jax": main, "heyoka": main, "casadi": other, "autograd": alone, "diffsim": own}
    assert found == expected


def test_errors_of_peers_tell_no_path_of_the_machine(tmp_path: Path) -> None:
    bench = run.Bench(tmp_path, {"jax": tmp_path / "env" / "bin" / "python"}, 1)
    code = f"raise ValueError('no file {tmp_path}/env/lib/x, {ROOT}/y or {Path.home()}/z')"
    found = bench._process([sys.executable, "-c", code], plan.OURS, 1)
    assert "ValueError: no file" in found["error"]
    assert not [path for path in (tmp_path, ROOT, Path.home()) if str(path) in found["error"]]


# -- rounds and tables -------------------------------------------------------------------------------------------

GROUP = plan.Group("W8-40", "W8", "a task", plan.OURS, (plan.Job("a"), plan.Job("b", tolerance=0.1)), 40, 5)


def rounds(times: dict[str, list[float]], answers: dict[str, float], n_rounds: int) -> dict[str, Any]:
    """A group's results from times that are dealt out in turn."""

    def fake(job: plan.Job) -> dict[str, Any]:
        wall = times[job.label].pop(0)
        return {"wall": [wall], "cpu": [2 * wall], "first": 9.0, "answer": [answers[job.label], 1.0]}

    entry = summary.entry(GROUP, GROUP.peers)
    for k in range(n_rounds):
        entry["records"] += run.one_round(fake, GROUP, list(GROUP.peers), k)
    return entry


def test_each_peer_is_compared_with_diffsim_just_before_and_after() -> None:
    times = {"diffsim": [1.0, 3.0, 5.0, 1.0, 1.0, 1.0], "a": [4.0, 1.0], "b": [2.0, 4.0]}
    entry = rounds(times, {"diffsim": 2.0, "a": 2.0, "b": 2.0}, 2)
    order = [record["label"] for record in entry["records"]]
    assert order == ["diffsim", "a", "diffsim", "b", "diffsim", "diffsim", "b", "diffsim", "a", "diffsim"]
    found = {row.label: row for row in summary.rows(entry)}
    assert (found["a"].low, found["a"].ratio, found["a"].high) == (0.5, 0.75, 1.0)  # 2 / 4 and 1 / 1
    assert (found["b"].low, found["b"].ratio, found["b"].high) == (0.25, 1.125, 2.0)  # 4 / 2 and 1 / 4
    assert found["a"].cpu_ratio == 0.75
    assert found["diffsim"].wall == 1.0


@pytest.mark.parametrize(("value", "agrees"), [(2.0 + 1e-10, True), (2.1, False), (float("nan"), False)])
def test_a_peer_with_another_answer_does_not_count(value: float, agrees: bool) -> None:
    times = {"diffsim": [1.0, 1.0, 1.0], "a": [4.0], "b": [4.0]}
    entry = rounds(times, {"diffsim": 2.0, "a": value, "b": 2.1}, 1)
    found = {row.label: row for row in summary.rows(entry)}
    assert found["a"].agrees is agrees
    assert found["b"].agrees  # its tolerance allows it
    assert ("too far" in summary.group_table(entry)) is not agrees
    assert ("a" in [row.label for row in plot.fastest(entry)]) is agrees


def test_a_failing_peer_is_told_and_the_others_go_on() -> None:
    def fake(job: plan.Job) -> dict[str, Any]:
        if job.label == "a":
            return {"error": "no such thing", "wall": [], "cpu": []}
        return {"wall": [1.0], "cpu": [1.0], "first": 1.0, "answer": [1.0]}

    entry = summary.entry(GROUP, GROUP.peers)
    entry["records"] = run.one_round(fake, GROUP, list(GROUP.peers), 0)
    found = {row.label: row for row in summary.rows(entry)}
    assert found["a"].error == "no such thing"
    assert found["b"].ratio == 1.0
    assert "failed: no such thing" in summary.group_table(entry)


@pytest.mark.parametrize(
    ("value", "text"), [(1.5, "1.5 s"), (0.0123, "12.3 ms"), (4.56e-6, "4.56 µs"), (None, "-"), (float("nan"), "-")]
)
def test_times_have_units(value: float | None, text: str) -> None:
    assert summary.seconds(value) == text


@pytest.fixture
def results() -> dict[str, Any]:
    times = {"diffsim": [1.0, 1.0, 1.0], "a": [4.0], "b": [2.0]}
    entry = rounds(times, {"diffsim": 2.0, "a": 2.0, "b": 2.0}, 1)
    about = {"processor": "P", "cores": 2, "system": "S", "python": "3", "gcc": "g", "commit": "c"}
    return {"machine": about, "small": False, "c": {}, "missing": [], "groups": [entry]}


def test_report_writes_a_page_with_its_picture(tmp_path: Path, results: dict[str, Any]) -> None:
    file = tmp_path / "results.json"
    file.write_text(json.dumps(results))
    report.main([str(file), "--docs", str(tmp_path)])
    text = (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert re.search(r"^\| a \| 4 s \| 0.25 \|", text, re.MULTILINE)
    assert "```python" not in text  # it would be run
    (picture,) = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")


def test_report_gives_work_and_precision_a_page_of_its_own(tmp_path: Path, results: dict[str, Any]) -> None:
    groups = [{**group, "workload": "W4"} for group in results["groups"]]
    file = tmp_path / "results.json"
    file.write_text(json.dumps({**results, "groups": groups}))
    report.main([str(file), "--docs", str(tmp_path)])
    assert not (tmp_path / "performance.md").exists()
    assert "1,024 double pendulums" in (tmp_path / "precision.md").read_text(encoding="utf-8")
    assert (tmp_path / "images" / "docs-precision.png").read_bytes().startswith(b"\x89PNG")


def test_report_refuses_tiny_sizes_for_the_docs(tmp_path: Path, results: dict[str, Any]) -> None:
    file = tmp_path / "results.json"
    file.write_text(json.dumps({**results, "small": True}))
    with pytest.raises(SystemExit, match="--small"):
        report.main([str(file)])


def test_older_groups_are_kept_only_of_the_same_machine(results: dict[str, Any]) -> None:
    new = {**results, "groups": []}
    assert run.kept(results, new, {"W1-64"})["groups"] == results["groups"]
    assert run.kept(results, new, {"W8-40"})["groups"] == []
    with pytest.raises(SystemExit, match="another machine"):
        run.kept(results, {**new, "machine": {**new["machine"], "cores": 64}}, set())


def test_times_to_an_accuracy_are_interpolated_on_the_best_curve() -> None:
    slow, quick = [(1e-2, 1.0), (1e-6, 10000.0)], [(1e-3, 2.0), (1e-5, 8.0)]
    assert precision.time_to([slow], 1e-4) == pytest.approx(100.0)
    assert precision.time_to([slow, quick], 1e-4) == pytest.approx(4.0)
    assert precision.time_to([slow, quick], 1e-2) == pytest.approx(1.0)
    assert precision.time_to([slow, quick], 1e-9) is None
