"""Tools to test derivatives with, for users as for diffsim's own tests.

`check_gradients` compares reverse mode, forward mode and finite differences; the rest are Hypothesis strategies.

>>> from diffsim import ops
>>> check_gradients(ops.sin, 0.5).n_unresolved
0
"""

from diffsim.testing.domains import arrays_inside, initial_states, inputs_for
from diffsim.testing.gradients import check_gradients
from diffsim.testing.programs import Expression, expressions
from diffsim.testing.wording import GradientError, GradientReport, GradientWarning

__all__ = [
    "Expression",
    "GradientError",
    "GradientReport",
    "GradientWarning",
    "arrays_inside",
    "check_gradients",
    "expressions",
    "initial_states",
    "inputs_for",
]
