"""llvmlite is a convenience: without it, or with one that does not work here, everything runs interpreted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import diffsim as ds
from diffsim.compiler import engine

ROOT = Path(__file__).parents[2]

NOTICES = [
    "llvmlite is not installed, so all solves run interpreted, which is slower. Install it: pip install llvmlite."
]
"""What a process says when it wanted to compile and could not: each text once, however many solves follow."""

MISSING = {
    "not installed": """
        sys.modules["llvmlite"] = None
    """,
    "hidden": """
        class Hide:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == "llvmlite":
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        sys.meta_path.insert(0, Hide())
    """,
    "library does not load": """
        def fail():
            raise OSError("Could not find/load shared object file 'libllvmlite.so'")
        fake(initialize_native_target=fail)
    """,
    "too old": """
        fake(initialize_native_target=bool, initialize_native_asmprinter=bool, check_jit_execution=bool,
             llvm_version_info=(15, 0, 7))
    """,
    "code in memory forbidden": """
        def fail():
            raise OSError(13, "cannot allocate executable memory")
        fake(initialize_native_target=bool, initialize_native_asmprinter=bool, check_jit_execution=fail,
             llvm_version_info=(20, 1, 8))
    """,
}

FAKE = """
    import sys, types
    def fake(**names):
        package, binding = types.ModuleType("llvmlite"), types.ModuleType("llvmlite.binding")
        vars(binding).update(names)
        package.__version__, package.binding, package.__path__ = "0.45.0", binding, []
        sys.modules.update({"llvmlite": package, "llvmlite.binding": binding})
"""

SOLVES = """
    import json, warnings
    import diffsim as ds
    from diffsim.compiler import engine
    from systems import DoublePendulum

    def end(x):
        sol = ds.solve_ivp(DoublePendulum(), (0.0, 1.0), [x, 0.0, 1.0, 4.0], method="RK4", step=0.01, compiled="auto")
        return sol.y[0, -1]

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = [float(end(0.4)), float(end(0.5)), float(ds.grad(end)(0.4))]
    print(json.dumps({
        "found": found,
        "available": engine.available(),
        "notices": [str(warning.message) for warning in caught],
        "real": "llvmlite.binding.ffi" in sys.modules,
    }))
"""


def _run(missing: str) -> dict[str, Any]:
    """Solve in a fresh process whose llvmlite is spoilt."""
    code = "".join(textwrap.dedent(part) for part in (FAKE, missing, SOLVES))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("missing", MISSING)
def test_a_solve_without_llvmlite_gives_the_interpreted_answer(missing: str) -> None:
    from systems import DoublePendulum

    def end(x: Any) -> Any:
        options: dict[str, Any] = {"method": "RK4", "step": 0.01, "compiled": False}
        return ds.solve_ivp(DoublePendulum(), (0.0, 1.0), [x, 0.0, 1.0, 4.0], **options).y[0, -1]

    result = _run(MISSING[missing])
    assert result == {
        "found": [end(0.4), end(0.5), ds.grad(end)(0.4)],
        "available": False,
        "notices": NOTICES,
        "real": False,
    }


def test_tests_have_llvmlite_unless_they_are_told_to_do_without() -> None:
    # Tests of compiled code are skipped without it: here it shows if that happens unasked.
    assert engine.available() == (not os.environ.get("DIFFSIM_TEST_WITHOUT_LLVMLITE"))
