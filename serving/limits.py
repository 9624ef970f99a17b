"""How much of a stranger's upload is taken."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Limits:
    """What an upload may be, and may cost.

    Args:
        max_bytes (`int`): Size of a file, as it arrives.
        max_seconds (`float`): Length of a recording.
        max_windows (`int`): Windows of a timeline.
        decode_seconds (`float`): Time that decoding may take, and that one may wait until somebody has time to begin.
        fetch_seconds (`float`): Time that the server of an address may take for its whole file.
        max_redirects (`int`): How often that server may send one elsewhere.
        decode_memory (`int`): Bytes that a decoding process may allocate beside what it has when it begins; where the
            system cannot hold it to that (all but Linux), it is not.
        held_memory (`int`): Bytes of what is decoded and waits for the model, of all clips together, in the process
            that has it decoded. Windows of a
            timeline have 0.4 MB each, with the frames and rates that models have by default.
        private_addresses (`bool`): Whether addresses may lead to private networks and to this machine. Only for those
            who serve nobody but themselves: with it, visitors reach whatever this machine reaches.

    Raises:
        ValueError: A limit that lets nothing through.
    """

    max_bytes: int = 200 * 2**20
    max_seconds: float = 600.0
    max_windows: int = 1200
    decode_seconds: float = 60.0
    fetch_seconds: float = 30.0
    max_redirects: int = 3
    decode_memory: int = 2 * 2**30
    held_memory: int = 2**30
    private_addresses: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in ("private_addresses", "max_redirects") and not 0 < value < float("inf"):
                raise ValueError(f"{field.name}={value!r}: expected more than 0")
        if self.max_redirects < 0:
            raise ValueError(f"max_redirects={self.max_redirects!r}: expected 0 or more")


DEFAULTS = Limits()
