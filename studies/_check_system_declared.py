"""The checks of `check_system` that need no state: names, lengths, units, the docstring, events."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from diffsim.protocols import parameter_names
from studies._check_system_places import default_start
from studies._check_system_report import CheckRow, Place

__all__: list[str] = []


def names_row(system: Any) -> CheckRow:
    """Return the row about names and lengths."""
    title = "names and lengths fit"
    complaints = [*_name_complaints(system), *_default_complaints(system)]
    if complaints:
        return CheckRow(title, "FAILED", "; ".join(complaints), mend="Declare one entry a component, in their order.")
    return CheckRow(title, "ok")


def _name_complaints(system: Any) -> list[str]:
    """Return what is wrong with the names that a system declares."""
    names, own = tuple(system.state_names), parameter_names(system)
    found = []
    if len(set(names)) < len(names):
        found.append(f"state_names must differ from one another; got {names!r}")
    both = sorted(set(names) & set(own))
    if both:
        found.append(f"{', '.join(both)} names both a state component and a parameter")
    for attribute in ("positive", "non_negative"):
        strangers = sorted(set(getattr(system, attribute, ())) - set(own))
        if strangers:
            found.append(f"{attribute} has {', '.join(strangers)}, which is no parameter ({', '.join(own) or 'none'})")
    wrong = [i for i in system.angles if not (isinstance(i, int) and 0 <= i < len(names))]
    if wrong:
        found.append(f"angles must be indices of state components, 0 to {len(names) - 1}; got {system.angles!r}")
    time = getattr(system, "default_time", 10.0)
    if not 0.0 < time < math.inf:
        found.append(f"default_time must be > 0 and finite; got {time!r}")
    return found


def _default_complaints(system: Any) -> list[str]:
    """Return what is wrong with the default start and with the promises about the energy."""
    found, n = [], len(system.state_names)
    start = default_start(system)
    if start is not None:
        numbers = np.asarray(start, dtype=object).ravel()
        if len(numbers) != n:
            found.append(
                f"default_state must have {n} numbers ({', '.join(system.state_names)}); it has {len(numbers)}"
            )
        elif not all(math.isfinite(float(x)) for x in numbers):
            found.append(f"default_state must be finite; got {start!r}")
    if getattr(system, "canonical", False) and not (system.has_energy or getattr(system, "discrete", False)):
        found.append("a canonical system needs its energy: write energy(self, state)")
    return found


def units_row(system: Any, strict: bool) -> CheckRow:
    """Return the row about units: each name has one, or nothing has any and that is allowed."""
    title = "units are present"
    names, own = tuple(system.state_names), parameter_names(system)
    state: Sequence[str] = getattr(system, "state_units", ())
    units: Mapping[str, str] = getattr(system, "parameter_units", {})
    mend = 'Declare state_units = ("rad", ...), parameter_units = {"length": "m", ...}; "1" is the unit of a number.'
    if not state and not units and not strict:
        return CheckRow(title, "not applicable", "none are declared: plots and tables will show none", mend=mend)
    complaints = []
    if len(state) != len(names):
        complaints.append(f"state_units must have {len(names)} entries ({', '.join(names)}); it has {len(state)}")
    missing = [name for name in own if name not in units]
    strangers = sorted(set(units) - set(own))
    if missing:
        complaints.append(f"parameter_units lacks {', '.join(missing)}")
    if strangers:
        complaints.append(f"parameter_units has {', '.join(strangers)}, which is no parameter")
    empty = [name for name, unit in [*zip(names, state, strict=False), *units.items()] if not str(unit).strip()]
    if empty:
        complaints.append(f"the unit of {', '.join(empty)} is empty")
    turned = [i for i in system.angles if 0 <= i < len(state) and state[i] != "rad"]
    complaints += [f"{names[i]} is an angle in {state[i]!r}; angles are in 'rad'" for i in turned]
    if complaints:
        return CheckRow(title, "FAILED", "; ".join(complaints), mend=mend)
    return CheckRow(title, "ok")


def docstring_row(system: Any, strict: bool) -> CheckRow:
    """Return the row about the docstring: it names each component and parameter together with its unit."""
    title = "the docstring tells the units"
    text = inspect.getdoc(type(system)) or ""
    state = dict(zip(system.state_names, getattr(system, "state_units", ()), strict=False))
    units = {**state, **getattr(system, "parameter_units", {})}
    if not strict and not units:
        return CheckRow(title, "not applicable", "none are declared")
    missing = [name for name in [*system.state_names, *parameter_names(system)] if not _told(text, name, units)]
    if not missing:
        return CheckRow(title, "ok")
    wanted = ", ".join(f"{name} [{units.get(name, '?')}]" for name in missing)
    reason = f"no line of it has {wanted}"
    mend = "Add tables of the state and of the parameters: symbol, meaning, unit."
    return CheckRow(title, "FAILED" if strict else "not applicable", reason, mend=mend)


def _told(text: str, name: str, units: Mapping[str, str]) -> bool:
    """Whether a line of the docstring has a name and its unit; x_7 may stand in the row of all the x_i."""
    either = f"(?:{re.escape(name)}|{re.escape(name.rstrip('0123456789'))}[ijkn])"
    unit = re.escape(units.get(name, ""))
    line = rf"^.*(?<!\w){either}(?!\w).*(?<!\S)[\[(]?{unit}[\])]?[,;.:]?(?!\S).*$"
    return name in units and re.search(line, text, re.MULTILINE) is not None


def events_row(system: Any, places: Sequence[Place]) -> CheckRow | None:
    """Return the row about a system's own events; None where it has none."""
    events = tuple(getattr(system, "events", ()) or ())
    if not events:
        return None
    title = "events and resets can be called"
    mend = "An event is a function (t, state) -> number; its reset a function (t, state) -> the n numbers of a state."
    for number, event in enumerate(events):
        for place in places:
            complaint = _event_complaint(event, place)
            if complaint:
                name = getattr(event, "__name__", f"events[{number}]")
                return CheckRow(title, "FAILED", f"{name} {complaint}", place=place, mend=mend)
    return CheckRow(title, "ok")


def _event_complaint(event: Any, place: Place) -> str:
    """Return what is wrong with an event at a place, or nothing."""
    if not callable(event):
        return f"is {event!r}, no function"
    try:
        value = np.asarray(event(place.t, place.y.copy()), dtype=np.float64)
        if value.shape != () or not np.isfinite(value):
            return f"gives {value.tolist()!r} instead of one finite number"
        reset = getattr(event, "reset", None)
        if reset is None:
            return ""
        after = np.asarray([float(x) for x in reset(place.t, place.y.copy())])
    except Exception as error:  # noqa: BLE001 - a fault of the system under test is a result
        return f"raises {type(error).__name__}: {error}"
    if after.shape != place.y.shape:
        return f"resets to {len(after)} numbers instead of {len(place.y)}"
    return "" if np.all(np.isfinite(after)) else f"resets to {after.tolist()}"
