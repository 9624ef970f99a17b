"""What may have been meant by a misspelt word. Nothing is imported here, so that it is said at once."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: object, known: Iterable[str], otherwise: str) -> str:
    """The end of a message: `; did you mean 'fusion'?`, or what to say where nothing is like the word.

    Names that begin with the word come first, those that only hold it last: `f1` may be `macro_f1`.
    """
    text, names = str(word), list(known)
    begin = [name for name in names if text and name.startswith(text)]
    hold = [name for name in names if len(text) > 1 and text in name]
    close = [*begin, *difflib.get_close_matches(text, names, n=1), *hold]
    return f"; did you mean {close[0]!r}?" if close else otherwise
