"""What the workloads are made of: starts, grids, data and the numbers by which answers are compared.

Every runner takes its input from here, so that all solve the same problem.  Nothing but the standard library is
imported at the top: a runner's start-up time is measured too (W3).

W1  map of N x N double pendulums, RK4 with h = 0.01, 1,000 steps, with the 4 x 4 derivative of the end by the start
W2  gradient of theta_2 after 500 Euler steps of h = 0.01, one trajectory
W3  a fresh process: from the start of Python to W2's gradient
W4  work and precision of adaptive methods: 1,024 double pendulums to t = 10
W5  gradient through a long trajectory: 1,000,000 RK4 steps of h = 0.001
W6  one epoch of training MLP(2, [16, 16, 1]) on scalars, sample by sample
W7  500 frames of video
W8  Lorenz-96 with n states, 500 RK4 steps of h = 0.01: gradient of sum(y**2) at the end by the start and by F
W9  Robertson's reactions to t = 1e5, rtol 1e-6: gradient of y_3 at the end by the start and by the three rates

The double pendulum is that of two uniform rods (m = l = 1, g = 9.8) in Hamilton's form.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "FORCING",
    "REGULAR",
    "FPS",
    "ROBERTSON_RATES",
    "ROBERTSON_TOLERANCES",
    "START",
    "angles",
    "growth",
    "joints",
    "lorenz_answer",
    "lorenz_start",
    "moons",
    "pendulums",
    "robertson_answer",
    "weights",
]

START = (0.4, 0.0, 1.0, 4.0)  # chaotic
REGULAR = (0.5, 0.5, 0.0, 0.0)  # quasi-periodic: a gradient through 1,000 s stays finite
FORCING = 8.0
FPS = 50
ROBERTSON_RATES = (0.04, 1e4, 3e7)
ROBERTSON_TOLERANCES = (1e-6, 1e-10)


def angles(n: int) -> tuple[Any, Any]:
    """W1: theta_1 and theta_2 of the n * n starts at rest, each of shape (n * n,), theta_2 running faster."""
    import numpy as np

    theta = np.linspace(-3.0, 3.0, n)
    return np.repeat(theta, n), np.tile(theta, n)


def growth(jacobian: Any, n: int) -> list[float]:
    """W1's answer: means over the cells with both angles within (-1, 1); further out chaos amplifies the last bits.

    The first is that of log10 of the Jacobian's Frobenius norm, the second that of d theta_2 / d p_1, which tells a
    Jacobian from its transpose.  `jacobian` has shape (4, 4, n * n), component first, or (16, n * n).
    """
    import numpy as np

    theta_1, theta_2 = angles(n)
    edge = 1.0 - 1e-9  # linspace may round a node to either side of 1
    calm = (np.abs(theta_1) < edge) & (np.abs(theta_2) < edge)
    rows = np.asarray(jacobian).reshape(16, -1)[:, calm]
    return [float(np.log10((rows**2).sum(axis=0)).mean() / 2.0), float(rows[6].mean())]


def pendulums() -> Any:
    """W4: 1,024 starts at rest with both angles within [-1, 1], shape (4, 1024)."""
    import numpy as np

    theta = np.linspace(-1.0, 1.0, 32)
    y = np.zeros((4, 1024))
    y[0], y[1] = np.repeat(theta, 32), np.tile(theta, 32)
    return y


def moons(n: int = 100, noise: float = 0.1) -> tuple[list[list[float]], list[float]]:
    """W6: two half circles with noise, n points (x, y) and their labels."""
    import numpy as np

    rng = np.random.default_rng(0)
    a = np.linspace(0.0, np.pi, n // 2)
    x = np.concatenate([np.stack([np.cos(a), np.sin(a)], 1), np.stack([1 - np.cos(a), 0.5 - np.sin(a)], 1)])
    return (x + noise * rng.standard_normal(x.shape)).tolist(), np.repeat([0.0, 1.0], n // 2).tolist()


def weights() -> list[Any]:
    """W6: the weights of each layer, shapes (16, 2), (16, 16), (1, 16), uniform in [-1, 1]; the biases are 0."""
    import numpy as np

    rng = np.random.default_rng(0)
    return [rng.uniform(-1.0, 1.0, (n_out, n_in)) for n_in, n_out in ((2, 16), (16, 16), (16, 1))]


def joints(n_frames: int) -> Any:
    """W7: hinge, elbow and tip of a double pendulum in every frame, shape (n_frames, 3, 2), by RK4 in plain NumPy."""
    import numpy as np

    def rates(y: Any) -> Any:
        c, s = np.cos(y[0] - y[1]), np.sin(y[0] - y[1])
        u = 6.0 * (2.0 * y[2] - 3.0 * c * y[3]) / (16.0 - 9.0 * c * c)
        v = 6.0 * (8.0 * y[3] - 3.0 * c * y[2]) / (16.0 - 9.0 * c * c)
        return np.array([u, v, -0.5 * (u * v * s + 29.4 * np.sin(y[0])), 0.5 * (u * v * s - 9.8 * np.sin(y[1]))])

    y, h, theta = np.array([2.0, 1.5, 0.0, 0.0]), 1.0 / FPS, []
    for _ in range(n_frames):
        theta.append(y[:2])
        k_1 = rates(y)
        k_2 = rates(y + h / 2 * k_1)
        k_3 = rates(y + h / 2 * k_2)
        y = y + h / 6 * (k_1 + 2.0 * (k_2 + k_3) + rates(y + h * k_3))
    rods = np.stack([np.sin(theta), -np.cos(theta)], axis=-1)
    return np.concatenate([np.zeros((n_frames, 1, 2)), np.cumsum(rods, axis=1)], axis=1)


def lorenz_start(n: int) -> Any:
    """W8: the start, shape (n,)."""
    import numpy as np

    return 8.0 + 0.1 * np.sin(np.arange(n))


def lorenz_answer(by_start: Any, by_forcing: Any) -> list[float]:
    """W8's answer: the norm of the gradient by the start, and the derivative by F."""
    import numpy as np

    return [float(np.linalg.norm(np.asarray(by_start))), float(by_forcing)]


def robertson_answer(by_start: Any, by_rates: Any) -> list[float]:
    """W9's answer: the derivatives by the start, and those by the logarithms of the rates."""
    import numpy as np

    return [*np.ravel(by_start).tolist(), *(np.ravel(by_rates) * ROBERTSON_RATES).tolist()]
