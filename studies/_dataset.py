"""Results as xarray's datasets, and those as files: netCDF and zarr, which need the extra ``cluster``."""

from __future__ import annotations

import importlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from diffsim.errors import RunError
from diffsim.files import check_folder
from studies import _output

__all__: list[str] = []

_TEXT = "text_"
"""What the names of attributes begin with that hold arrays of texts, as JSON."""
NEEDS = {".nc": ("xarray", "h5netcdf", "h5py"), ".zarr": ("xarray", "zarr")}
"""What the endings need that is no dependency."""


def dataset(
    who: str,
    arrays: Mapping[str, Any],
    dims: Mapping[str, tuple[str, ...]],
    units: Mapping[str, str],
    coordinates: Mapping[str, tuple[Any, str]],
    told: Mapping[str, Any],
) -> Any:
    """Return an ``xarray.Dataset`` with named axes and units.

    Raises
    ------
    RunError
        xarray is not installed.
    """
    xarray = _imported(who, "xarray", "to_xarray()")
    # NOTE: texts go into the attributes; zarr has no settled form for arrays of them.
    texts = {f"{_TEXT}{name}": json.dumps(array.tolist()) for name, array in arrays.items() if array.dtype.kind == "U"}
    data = {
        name: (dims[name], array, {"units": units[name]} if units.get(name) else {})
        for name, array in arrays.items()
        if array.dtype.kind != "U"
    }
    along = {name: ((name,), values, {"units": unit} if unit else {}) for name, (values, unit) in coordinates.items()}
    return xarray.Dataset(data, along, {**told, **texts, "made_with": _output.made_with()})


def save(who: str, path: str | os.PathLike[str], suffix: str, data: Any) -> Path:
    """Write a dataset, whole or not at all."""
    for module in NEEDS[suffix]:
        _imported(who, module, f"a {suffix} file")
    for name in data.variables:  # netCDF knows no booleans
        if data[name].dtype == bool:
            data[name] = data[name].astype("int8").assign_attrs(dtype_was="bool")
    if suffix == ".nc":
        return _output.write_by(who, path, (".nc",), lambda file: data.to_netcdf(file, engine="h5netcdf"))
    target = Path(os.fspath(path)).expanduser()
    check_folder(who, target.parent)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        data.to_zarr(temporary, mode="w", consolidated=False)
        if target.exists():
            shutil.rmtree(target)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def read(file: Path) -> dict[str, Any]:
    """Return the arrays and the texts of a file."""
    xarray = _imported("load", "xarray", f"a {file.suffix} file")
    how: dict[str, Any] = {"engine": "h5netcdf"} if file.suffix.lower() == ".nc" else {"engine": "zarr"}
    if how["engine"] == "zarr":
        how["consolidated"] = False
    with xarray.open_dataset(file, **how) as data:
        found: dict[str, Any] = {str(name): np.asarray(data[name].values) for name in data.variables}
        for name, array in found.items():
            if data[name].attrs.get("dtype_was") == "bool":
                found[name] = array.astype(bool)
        texts = {name: str(text) for name, text in data.attrs.items()}
    for name, text in texts.items():
        if name.startswith(_TEXT):
            found[name.removeprefix(_TEXT)] = np.array(json.loads(text))
        elif name.startswith("diffsim_"):
            found[name] = text
    return found


def _imported(who: str, module: str, what: str) -> Any:
    """Return a module of the extra ``cluster``."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise RunError(f"{who}: {what} needs {module}: pip install 'diffsim[cluster]'.") from None
