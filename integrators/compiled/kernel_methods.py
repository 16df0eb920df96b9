"""Which room writes what of a method's formula: its attempt, and its choice of steps."""

from __future__ import annotations

from diffsim.errors import RunError
from integrators._bdf_tableau import BdfTableau
from integrators._esdirk_tableau import EsdirkTableau
from integrators._radau_tableau import RadauTableau
from integrators._rosenbrock_tableau import RosenbrockTableau
from integrators._taylor_formula import TaylorFormula
from integrators._theta_tableau import ThetaTableau
from integrators.compiled.kernel_attempt import Attempt
from integrators.compiled.kernel_bdf import BdfAttempt
from integrators.compiled.kernel_control import StepControl
from integrators.compiled.kernel_esdirk import EsdirkAttempt
from integrators.compiled.kernel_field import Field
from integrators.compiled.kernel_frame import Frame
from integrators.compiled.kernel_orders import BdfControl
from integrators.compiled.kernel_pair import MOST_UNROLLED, LoopedAttempt, UnrolledAttempt
from integrators.compiled.kernel_pilot import RadauControl
from integrators.compiled.kernel_radau import RadauAttempt
from integrators.compiled.kernel_rolled import is_large
from integrators.compiled.kernel_rosenbrock import RosenbrockAttempt
from integrators.compiled.kernel_series import SeriesAttempt
from integrators.compiled.kernel_theta import ThetaAttempt
from integrators.compiled.program import Formula, Pair, Program
from integrators.compiled.series import series_of
from integrators.compiled.slope import slope_of

__all__: list[str] = []


def control_of(frame: Frame, formula: Formula, n_ratios: int) -> StepControl:
    """Return what writes the choice of steps; `n_ratios` error ratios are looked at where a method leaves that open."""
    if isinstance(formula, BdfTableau):
        return BdfControl(frame, formula.order, n_ratios, formula.highest)
    kind = RadauControl if isinstance(formula, RadauTableau) else StepControl
    return kind(frame, formula.order, n_ratios)


def attempt_of(frame: Frame, field: Field, program: Program, formula: Formula, control: StepControl) -> Attempt:
    """Return what writes an attempt.

    Parameters
    ----------
    frame : Frame
    field : Field
        The right-hand side in that frame.
    program : Program
        The right-hand side itself.
    formula : Formula
    control : StepControl
        Of `control_of`.
    """
    if isinstance(formula, Pair):
        looped = formula.n_stages > MOST_UNROLLED or is_large(program)
        kind = LoopedAttempt if looped else UnrolledAttempt
        return kind(frame, field, formula, control)
    if isinstance(formula, TaylorFormula):
        series = series_of(program, formula.degree)
        if series is None:
            raise RunError("solve_ivp: the series are not for machine code. Use compiled=False.")
        return SeriesAttempt(frame, field, series, formula, control)
    slope = slope_of(program)
    if isinstance(formula, RosenbrockTableau):
        return RosenbrockAttempt(frame, field, slope, formula, control)
    if isinstance(formula, EsdirkTableau):
        return EsdirkAttempt(frame, field, slope, formula, control)
    if isinstance(formula, ThetaTableau):
        return ThetaAttempt(frame, field, slope, formula, control)
    if isinstance(formula, RadauTableau) and isinstance(control, RadauControl):
        return RadauAttempt(frame, field, slope, formula, control)
    if isinstance(formula, BdfTableau) and isinstance(control, BdfControl):
        return BdfAttempt(frame, field, slope, formula, control)
    raise RunError(f"solve_ivp: machine code does not know how to make a step of {type(formula).__name__}.")
