"""How an upload is turned away: in words, with the status that HTTP has for it."""


class Refused(Exception):  # noqa: N818 - it is an answer, not a fault
    """An upload that gets no answer.

    Args:
        status (`int`): As of HTTP: 400 what was sent makes no sense, 403 an address that is not allowed, 408 it takes
            too long, 413 it is too large or too long, 415 it is no recording, 422 it cannot be fetched or answered,
            503 nobody can answer now.
        message (`str`): For the visitor, as it stands: what was expected, what was found, what to do. No path of this
            machine and no stack trace.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)  # both, so that copies and pickles of it work
        self.status, self.message = status, message

    def __str__(self) -> str:
        return self.message


def too_large(most: int) -> Refused:
    """What to raise for a file of more than so many bytes."""
    taken = f"at most {most / 1e6:.4g} MB are taken"
    return Refused(413, f"the file: it is too large, {taken}. Send a shorter one, or compress it.")
