"""JAX on the CPU, 64 bits: W1, W2, W5, W6, W8.

Variants of W1, joined by ``+``: how the tangents are made (``jacfwd`` of the whole solve; ``jvp``, one of the step in
the loop; ``hand``, variational equations by hand) and ``chunk=C`` (blocks of C cells one after the other).
NOTE: XLA's fusion copies sine and cosine into each place that uses them; the flag --xla_disable_hlo_passes=fusion
(runs named "fusion off") makes W1 up to twice as fast.
Variants of W5: ``plain`` and ``checkpoint``; of W6: ``step`` (one call a sample) and ``scan`` (the epoch in one call).
"""

from __future__ import annotations

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_ENABLE_X64", "1")

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks import workloads
from benchmarks.frame import Case, main


def rates(y):
    t1, t2, p1, p2 = y
    c, s = jnp.cos(t1 - t2), jnp.sin(t1 - t2)
    over = 6 / (16 - 9 * c * c)
    v1, v2 = over * (2 * p1 - 3 * c * p2), over * (8 * p2 - 3 * c * p1)
    return v1, v2, -0.5 * (v1 * v2 * s + 29.4 * jnp.sin(t1)), -0.5 * (9.8 * jnp.sin(t2) - v1 * v2 * s)


def add(y, h, k):
    return tuple(a + h * b for a, b in zip(y, k, strict=True))


def rk4(y, h):
    k1 = rates(y)
    k2 = rates(add(y, h / 2, k1))
    k3 = rates(add(y, h / 2, k2))
    k4 = rates(add(y, h, k3))
    return tuple(a + h / 6 * (b + 2 * (c + d) + e) for a, b, c, d, e in zip(y, k1, k2, k3, k4, strict=True))


def by_jacfwd(y, steps):
    """One cell: the end and its Jacobian, rows first."""

    def end(y):
        final = lax.fori_loop(0, steps, lambda _, y: rk4(y, 0.01), y)
        return final, final  # the second one makes `has_aux` solve once only

    jacobian, _ = jax.jacfwd(end, has_aux=True)(y)
    return jnp.stack([jnp.stack(row) for row in jacobian])


def by_jvp(y, steps):
    """The same with the tangents carried through the loop: one jvp of a step, vmapped over four directions."""

    def step(_, carry):
        y, tangents = carry
        return jax.vmap(lambda t: jax.jvp(lambda y: rk4(y, 0.01), (y,), (t,)), out_axes=(None, 0))(tangents)

    _, tangents = lax.fori_loop(0, steps, step, (y, tuple(jnp.eye(4))))
    return jnp.stack(tangents)  # rows: components; columns: directions


def variational(x):
    """Hand-written equations of state and tangents, x (20, cells)."""
    t1, t2, p1, p2 = x[:4]
    u1, u2, q1, q2 = x[4:].reshape(4, 4, -1)
    hold = lax.optimization_barrier  # or XLA computes everything anew wherever it is used
    s1, c1, s2, c2 = hold((jnp.sin(t1), jnp.cos(t1), jnp.sin(t2), jnp.cos(t2)))
    s, c = s1 * c2 - c1 * s2, c1 * c2 + s1 * s2
    over = 6 / (16 - 9 * c * c)
    slope = 3 * over * s
    m11, m12, m22 = 2 * over, -3 * c * over, 8 * over
    v1, v2 = m11 * p1 + m12 * p2, m22 * p2 + m12 * p1
    v1_delta, v2_delta = -c * slope * v1 + slope * p2, -c * slope * v2 + slope * p1
    torque_v1, torque_v2, torque_delta = 0.5 * s * v2, 0.5 * s * v1, 0.5 * v1 * v2 * c
    m11, m12, m22, v1_delta, v2_delta, torque_v1, torque_v2, torque_delta = hold(
        (m11, m12, m22, v1_delta, v2_delta, torque_v1, torque_v2, torque_delta)
    )
    delta, torque = u1 - u2, torque_v2 * v2
    dv1 = v1_delta * delta + m11 * q1 + m12 * q2
    dv2 = v2_delta * delta + m12 * q1 + m22 * q2
    d_torque = torque_v1 * dv1 + torque_v2 * dv2 + torque_delta * delta
    state = jnp.stack([v1, v2, -torque - 14.7 * s1, torque - 4.9 * s2])
    return hold(jnp.concatenate([state, dv1, dv2, -d_torque - 14.7 * c1 * u1, d_torque - 4.9 * c2 * u2]))


def by_hand(y, steps, h=0.01):
    """Many cells at once: Jacobians (cells, 4, 4) by hand-written tangents."""
    x = jnp.zeros((20, y[0].size)).at[0].set(y[0]).at[1].set(y[1]).at[jnp.array([4, 9, 14, 19])].set(1.0)

    def step(_, x):
        k1 = variational(x)
        k2 = variational(x + h / 2 * k1)
        k3 = variational(x + h / 2 * k2)
        k4 = variational(x + h * k3)
        return x + h / 6 * (k1 + 2 * (k2 + k3) + k4)

    return jnp.moveaxis(lax.fori_loop(0, steps, step, x)[4:].reshape(4, 4, -1), 2, 0)


def w1(task):
    name, _, chunk = task.variant.partition("+")
    size = int(chunk.partition("=")[2] or task.n**2)
    one = {"jacfwd": by_jacfwd, "jvp": by_jvp}.get(name)

    def solve(y):  # a block of cells
        return by_hand(y, task.steps) if one is None else jax.vmap(lambda y: one(y, task.steps))(y)

    compiled = jax.jit(lambda y: lax.map(solve, tuple(x.reshape(-1, size) for x in y)).reshape(-1, 4, 4))
    rest = np.zeros(task.n**2)
    y = (*workloads.angles(task.n), rest, rest)

    def answer(jacobian):
        return workloads.growth(np.moveaxis(np.asarray(jacobian), 0, 2), task.n)

    return Case(lambda: jax.block_until_ready(compiled(y)), answer)


def w2(task):
    def theta_2(y):
        return lax.scan(lambda y, _: (add(y, 0.01, rates(y)), None), y, None, length=task.steps)[0][1]

    gradient = jax.jit(jax.grad(theta_2))
    return Case(lambda: jax.block_until_ready(gradient(workloads.START)), list)


def long_solve(y, steps, checkpoint):
    def solve(y, steps):
        return lax.scan(lambda y, _: (rk4(y, 0.001), None), y, None, length=steps)[0]

    if not checkpoint:
        return solve(y, steps)[1]
    inner = next(k for k in range(round(steps**0.5), 0, -1) if steps % k == 0)
    part = jax.checkpoint(lambda y: solve(y, inner))
    return lax.scan(lambda y, _: (part(y), None), y, None, length=steps // inner)[0][1]


def w5(task):
    def gradient(steps):
        return jax.jit(jax.grad(lambda y: long_solve(y, steps, task.variant == "checkpoint")))

    jax.block_until_ready(gradient(100)(workloads.REGULAR))  # a process that has compiled: the memory to start from
    long = gradient(task.steps)
    return Case(lambda: jax.block_until_ready(long(workloads.REGULAR)), list)


def squared_error(layers, x, y):
    for i, (w, b) in enumerate(layers):
        x = w @ x + b
        x = jax.nn.relu(x) if i < 2 else jax.nn.sigmoid(x)
    return (y - x[0]) ** 2


def w6(task):
    points, labels = (jnp.asarray(part) for part in workloads.moons())
    start = [(jnp.asarray(w), jnp.zeros(len(w))) for w in workloads.weights()]

    def step(layers, sample):
        loss, slopes = jax.value_and_grad(squared_error)(layers, *sample)
        return jax.tree.map(lambda p, d: p - 0.1 * d, layers, slopes), loss

    if task.variant == "scan":
        epoch = jax.jit(lambda layers: lax.scan(step, layers, (points, labels))[1].sum())
        return Case(lambda: float(epoch(start)), lambda total: [total])
    compiled, samples = jax.jit(step), list(zip(points, labels, strict=True))

    def run():
        layers, total = start, 0.0
        for sample in samples:
            layers, loss = compiled(layers, sample)
            total += loss
        return float(total)

    return Case(run, lambda total: [total])


def lorenz_96(y, forcing):
    return (jnp.roll(y, -1) - jnp.roll(y, 2)) * jnp.roll(y, 1) - y + forcing


def w8(task):
    def step(y, forcing, h=0.01):
        k1 = lorenz_96(y, forcing)
        k2 = lorenz_96(y + h / 2 * k1, forcing)
        k3 = lorenz_96(y + h / 2 * k2, forcing)
        k4 = lorenz_96(y + h * k3, forcing)
        return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    def loss(y, forcing):
        return jnp.sum(lax.scan(lambda y, _: (step(y, forcing), None), y, None, length=task.steps)[0] ** 2)

    gradient, start = jax.jit(jax.grad(loss, argnums=(0, 1))), workloads.lorenz_start(task.n)

    def run():
        return jax.block_until_ready(gradient(start, workloads.FORCING))

    return Case(run, lambda result: workloads.lorenz_answer(*result))


if __name__ == "__main__":
    main(globals(), ("jax", "jaxlib", "numpy"))
