"""What the user may have meant."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: object, known: Iterable[str], otherwise: str) -> str:
    """The end of a message: `; did you mean 'fusion'?`, or what to say where nothing is like the word."""
    close = difflib.get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else otherwise
