"""How an upload is turned away: in words, with the status that HTTP has for it."""


class Refused(Exception):
    """An upload that gets no answer.

    Args:
        status (`int`): What HTTP calls it: 400 what was sent makes no sense, 403 an address that is not allowed, 408 it
            takes too long, 413 it is too large, 415 it is no clip, 422 it is one that cannot be answered, 502 its
            server does not give it, 503 nobody can answer now.
        message (`str`): For the visitor, as it stands: what was expected, what was found, what to do. No path of this
            machine and no stack trace.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)  # both, so that it can be pickled: decoders send it to another process
        self.status, self.message = status, message

    def __str__(self) -> str:
        return self.message
