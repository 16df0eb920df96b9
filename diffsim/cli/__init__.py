"""The command line of diffsim: the face for the shell, and the one place that joins all wings.

One file ``command_<name>.py`` is one command; it offers ``HELP``, ``add_arguments(parser)`` and
``run(arguments) -> int``.  Whatever is heavy is imported inside `run`, so that ``--help`` answers
at once.
"""

from __future__ import annotations

from diffsim.cli.entry import main

__all__ = ["main"]
