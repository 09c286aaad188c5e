"""How many threads to work on."""

from __future__ import annotations

import os


def available_threads(threads: int | None = None) -> int:
    """The number of threads to use: as asked, or as many as this process may run on."""
    if threads is not None:
        return max(1, int(threads))
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
