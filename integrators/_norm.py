"""The norm in which errors are measured, the same bits for one trajectory and for a lane of many."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__: list[str] = []


def rms(x: Any) -> Any:
    """Return the root mean square over the components, shape (n, *lanes) -> lanes."""
    # NOTE: accumulate, not sum: NumPy sums contiguous and strided axes in different orders.
    squares = x.real * x.real + x.imag * x.imag if np.iscomplexobj(x) else x * x
    return np.sqrt(np.add.accumulate(squares, axis=0)[-1]) / len(x) ** 0.5
