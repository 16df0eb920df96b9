"""What a function can see: a plan that reads the numbers it brings along and rebuilds it around other ones.

`survey` walks once from a function through its arguments, closure, defaults, the globals that its code loads, the
attributes of objects, and the functions that it calls.  The answer is a tree of slots.  Each knows how to **read** its
part again (append the lifted numbers; say whether everything else is still as it was) and how to **build** a twin of
its part in which the numbers are replaced.  Reading is what happens at every solve, so it does no more than compare.

What is lifted: floats, NumPy's floats, small float arrays, recording numbers.  What is compared: whole numbers,
truth values, text, shapes, code, classes, large arrays.  What is kept as it is: NumPy, SciPy, the standard library and
diffsim itself.  What cannot be understood (an open file, a random generator) makes the plan unfit for reuse.
"""

from diffsim.lifting.plan import Plan
from diffsim.lifting.slot import Swap
from diffsim.lifting.survey import survey

__all__ = ["Plan", "Swap", "survey"]
