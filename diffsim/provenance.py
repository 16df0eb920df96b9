"""Where a result comes from: versions, machine and seed, as every result file records them."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["provenance"]

_TOLD = ("avx512f", "avx512dq", "avx2", "avx", "fma", "sse4.2", "neon", "sve")
"""Instruction sets on which the bits of machine code may depend."""


def provenance(seed: int | None = None) -> Mapping[str, str]:
    """Return what a result depends on, beyond its arguments.

    Parameters
    ----------
    seed : int, optional
        Of what was drawn at random; "none" where nothing was.

    Returns
    -------
    mapping of str to str
        "diffsim", "numpy", "scipy", "llvmlite", "python" (versions), "machine", "cpu", "cpu_features", "seed".

    Examples
    --------
    >>> provenance(3)["seed"]
    '3'
    """
    found = {name: _version(name) for name in ("diffsim", "numpy", "scipy", "llvmlite")}
    cpu, features = _processor()
    return MappingProxyType(
        {
            **found,
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}",
            "cpu": cpu,
            "cpu_features": features,
            "seed": "none" if seed is None else str(seed),
        }
    )


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed" if name != "diffsim" else "from source"


def _processor() -> tuple[str, str]:
    """Return the name of the processor and its instruction sets, as the compiler sees them."""
    from diffsim.compiler import engine

    if not engine.available():
        return platform.processor() or "unknown", "not asked for: no machine code"
    host = engine.host()
    has = {feature[1:] for feature in host.features.split(",") if feature.startswith("+")}
    return host.cpu, " ".join(name for name in _TOLD if name in has) or "none of those that matter"
