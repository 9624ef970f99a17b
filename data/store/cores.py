"""How many things can be done at once."""

import os


def cores() -> int:
    """Cores that this process may use, which in a container or a job are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
