"""diffrax: W1, W2, W5, W9 (the variant is the solver), and W4 (variants ``Tsit5 TOL`` and ``Dopri8 TOL``).

It has no classic RK4, so RK4 is given to it as a tableau with a constant step: the numbers are those of the others.
"""

from __future__ import annotations

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_ENABLE_X64", "1")

import diffrax as dx
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import workloads
from benchmarks.frame import Case, main


def rates(t, y, args):
    t1, t2, p1, p2 = y
    c, s = jnp.cos(t1 - t2), jnp.sin(t1 - t2)
    over = 6 / (16 - 9 * c * c)
    v1, v2 = over * (2 * p1 - 3 * c * p2), over * (8 * p2 - 3 * c * p1)
    return v1, v2, -0.5 * (v1 * v2 * s + 29.4 * jnp.sin(t1)), -0.5 * (9.8 * jnp.sin(t2) - v1 * v2 * s)


class RK4(dx.AbstractERK):
    tableau = dx.ButcherTableau(
        a_lower=(np.array([0.5]), np.array([0.0, 0.5]), np.array([0.0, 0.0, 1.0])),
        b_sol=np.array([1 / 6, 1 / 3, 1 / 3, 1 / 6]),
        b_error=np.zeros(4),
        c=np.array([0.5, 0.5, 1.0]),
    )
    interpolation_cls = dx.ThirdOrderHermitePolynomialInterpolation.from_k

    def order(self, terms):
        return 4


def solve(solver, y, steps, h, **options):
    controller = dx.ConstantStepSize()
    options = {"max_steps": steps + 10, **options}
    term = dx.ODETerm(rates)
    return dx.diffeqsolve(term, solver, 0.0, steps * h, h, y, stepsize_controller=controller, **options).ys


def w1(task):
    def end(y):
        final = tuple(part[-1] for part in solve(RK4(), y, task.steps, 0.01, adjoint=dx.ForwardMode()))
        return final, final  # the second one makes `has_aux` solve once only

    def jacobian(y):
        return jnp.stack([jnp.stack(row) for row in jax.jacfwd(end, has_aux=True)(y)[0]])

    compiled, rest = jax.jit(jax.vmap(jacobian)), np.zeros(task.n**2)
    y = (*workloads.angles(task.n), rest, rest)

    def answer(result):
        return workloads.growth(np.moveaxis(np.asarray(result), 0, 2), task.n)

    return Case(lambda: jax.block_until_ready(compiled(y)), answer)


def w2(task):
    gradient = jax.jit(jax.grad(lambda y: solve(dx.Euler(), y, task.steps, 0.01)[1][-1]))
    return Case(lambda: jax.block_until_ready(gradient(workloads.START)), list)


def w4(task):
    name, tolerance = task.variant.split()
    tol, solver = float(tolerance), {"Tsit5": dx.Tsit5, "Dopri8": dx.Dopri8}[name]()

    def one(y):
        control = dx.PIDController(rtol=tol, atol=tol)
        options = {"stepsize_controller": control, "max_steps": None, "adjoint": dx.ForwardMode()}
        return dx.diffeqsolve(dx.ODETerm(rates), solver, 0.0, 10.0, 0.01, y, **options).ys

    compiled, y = jax.jit(jax.vmap(one)), tuple(workloads.pendulums())
    return Case(lambda: jax.block_until_ready(compiled(y)), lambda ys: np.concatenate([y[:, -1] for y in ys]).tolist())


def w5(task):
    def gradient(steps):
        return jax.jit(jax.grad(lambda y: solve(RK4(), y, steps, 0.001)[1][-1]))  # RecursiveCheckpointAdjoint

    jax.block_until_ready(gradient(100)(workloads.REGULAR))  # a process that has compiled: the memory to start from
    long = gradient(task.steps)
    return Case(lambda: jax.block_until_ready(long(workloads.REGULAR)), list)


def robertson(t, y, k):
    slow, fast, faster = k[0] * y[0], k[1] * y[1] * y[2], k[2] * y[1] ** 2
    return jnp.stack([fast - slow, slow - fast - faster, faster])


def w9(task):
    rtol, atol = workloads.ROBERTSON_TOLERANCES
    solver = {"Kvaerno3": dx.Kvaerno3, "Kvaerno5": dx.Kvaerno5}[task.variant]()
    options = {"stepsize_controller": dx.PIDController(rtol=rtol, atol=atol), "max_steps": 4096}

    def end(y, k):
        return dx.diffeqsolve(dx.ODETerm(robertson), solver, 0.0, 1e5, None, y, args=k, **options).ys[-1, 2]

    gradient = jax.jit(jax.grad(end, argnums=(0, 1)))
    point = jnp.array([1.0, 0.0, 0.0]), jnp.array(workloads.ROBERTSON_RATES)
    return Case(lambda: jax.block_until_ready(gradient(*point)), lambda result: workloads.robertson_answer(*result))


if __name__ == "__main__":
    main(globals(), ("diffrax", "jax", "numpy"))
