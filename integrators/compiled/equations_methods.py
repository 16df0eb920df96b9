"""Which equations the steps of a method have."""

from __future__ import annotations

import functools

from integrators._bdf_tableau import BdfTableau
from integrators._esdirk_tableau import EsdirkTableau
from integrators._radau_tableau import RadauTableau
from integrators._rosenbrock_tableau import RosenbrockTableau
from integrators._theta_tableau import ThetaTableau
from integrators.compiled.equations import Equations
from integrators.compiled.equations_bdf import BdfEquations
from integrators.compiled.equations_esdirk import EsdirkEquations
from integrators.compiled.equations_radau import RadauEquations
from integrators.compiled.equations_rosenbrock import RosenbrockEquations
from integrators.compiled.equations_theta import ThetaEquations
from integrators.compiled.program import Formula, Program
from integrators.compiled.slope import slope_of

__all__: list[str] = []


@functools.lru_cache(maxsize=128)
def equations_of(formula: Formula, n: int) -> Equations | None:
    """Return the equations of a method's steps of n components; None of explicit ones."""
    if isinstance(formula, EsdirkTableau):
        return EsdirkEquations(formula, n)
    if isinstance(formula, ThetaTableau):
        return ThetaEquations(formula, n)
    if isinstance(formula, RadauTableau):
        return RadauEquations(formula, n)
    if isinstance(formula, BdfTableau):
        return BdfEquations(formula, n)
    return RosenbrockEquations(formula, n) if isinstance(formula, RosenbrockTableau) else None


def step_operations(program: Program, formula: Formula, n_derivatives: int) -> int:
    """Return the operations of a step with its root and so many derivatives, about; 0 of explicit methods."""
    equations = equations_of(formula, program.n)
    if equations is None:
        return 0
    return n_derivatives * equations.operations(
        program.graph.n_operations, slope_of(program).program.graph.n_operations
    )
