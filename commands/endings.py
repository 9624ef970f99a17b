"""How the command ends: its exit codes, and what it says last."""

import os
import signal
import sys
from collections.abc import Callable

DONE = 0
FAILED = 1
"""Some inputs failed, or what was asked for cannot be done."""
WRONG_FLAGS = 2
STOPPED = 128 + signal.SIGINT
NOBODY_READS = 141
"""What a shell has for a program that writes where nobody reads any more: 128 + SIGPIPE."""


class UsageError(Exception):
    """Words that the command does not understand; the message names the first."""


class FailedError(Exception):
    """What was asked for cannot be done; the message names file, flag or model, and what to do."""


def ended(run: Callable[[], int]) -> int:
    """Do the work, and give the exit code; what goes wrong is one line on standard error.

    Args:
        run (`Callable`): The work. It returns an exit code, or raises `UsageError` or `FailedError`.
    """
    try:
        code = run()
        sys.stdout.flush()  # a pipe that is closed is noticed here, and not when Python ends
    except KeyboardInterrupt:
        return _say("\n" * sys.stderr.isatty() + "stopped", STOPPED)  # below the bar, or what the terminal has shown
    except BrokenPipeError:
        # Python flushes once more at its end, and would complain: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS
    except UsageError as error:
        return _say(f"error: {error}", WRONG_FLAGS)
    except FailedError as error:
        return _say(f"error: {error}", FAILED)
    return code


def _say(line: str, code: int) -> int:
    sys.stderr.write(f"{line}\n")
    return code
