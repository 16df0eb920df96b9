"""Error bars of averages over time: means of blocks that are long against the memory of what is averaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from studies._checks import Floats

__all__: list[str] = []

_BLOCKS = 32
_FEWEST = 4


@final
@dataclass(frozen=True, eq=False)
class BlockMeans:
    """Averages of k series over time, from the means of blocks of consecutive values.

    Attributes
    ----------
    mean : ndarray (k,)
    blocks : ndarray (k, n_blocks)
        Means of blocks of equal length; those of several trajectories side by side.

    Notes
    -----
    Values of a chaotic trajectory that follow one another are not independent, the means of long blocks nearly are: the
    standard error is theirs, with n_blocks - 1 degrees of freedom.  A quantity whose sum stays bounded (an exponent
    that is zero) has an error that falls as 1 / T; the blocks then say more than it is.

    References
    ----------
    Flyvbjerg and Petersen, "Error estimates on averages of correlated data", J. Chem. Phys. 91 (1989) 461.
    """

    mean: Floats
    blocks: Floats

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return int(self.blocks.shape[1])

    @property
    def error(self) -> Floats:
        """Standard error of the mean (k,); NaN from fewer than four blocks."""
        if self.n_blocks < _FEWEST:
            return np.full(len(self.mean), np.nan)
        return np.asarray(self.blocks.std(axis=1, ddof=1) / np.sqrt(self.n_blocks))

    def half_width(self, level: float) -> Floats:
        """Return the half-width (k,) of the interval that holds the true mean with the given probability."""
        from scipy.special import stdtrit

        return self.error * float(stdtrit(max(1, self.n_blocks - 1), 0.5 + 0.5 * level))


def block_means(series: Floats) -> BlockMeans:
    """Return the averages of series (k, m, j) over j consecutive values of m trajectories."""
    k, m, j = series.shape
    each = max(1, min(j, -(-_BLOCKS // m)))
    length = j // each
    blocks = series[:, :, j - each * length :].reshape(k, m * each, length).mean(axis=2)
    return BlockMeans(series.mean(axis=(1, 2)), blocks)
