"""Which seconds of a longer clip the model looks at, and when its frames are taken.

This file travels to the hub: it imports none of ours.
"""

import math
from array import array

import numpy as np

WINDOWS = ("voice", "center", "start")

HOP_S = 0.016  # grid on which the voiced window may begin: one hop of the log-mel spectrogram
EQUALLY_GOOD = 0.99  # windows with at least this share of the most energy count as equally good
SILENCE = 1e-12  # mean square below which a sound is silence: -120 dB, a thousandth of one 16-bit step


def frame_times(start: float, duration: float, num_frames: int) -> np.ndarray:
    """Times at which frames are taken: float64 [num_frames] seconds. Every second one of twice as many is the same."""
    return start + np.arange(num_frames) * duration / num_frames


def window_starts(length: float, duration: float, hop: float) -> np.ndarray:
    """Where windows begin that slide over a recording: every `hop` seconds, and one more that ends where it ends.

    Args:
        length (`float`): Seconds of the recording.
        duration (`float`): Seconds a window lasts; a recording not longer than that is one window.
        hop (`float`): Seconds from one window to the next.

    Returns:
        `np.ndarray`: float64 `[windows]`, ascending seconds.

    Raises:
        ValueError: `hop` is no number above 0.
    """
    if isinstance(hop, bool) or not isinstance(hop, (int, float)) or not 0 < hop < math.inf:
        raise ValueError(f"hop={hop!r}: expected the seconds from one window to the next, such as 1.0")
    last = max(length - duration, 0.0)
    starts = np.arange(math.floor(last / hop) + 1) * hop
    return starts if last - starts[-1] < HOP_S else np.append(starts, last)


class HopEnergy:
    """Energy of a sound in each hop, added up while the sound passes by.

    A constant offset is no energy, and is only known at the end: sums and sums of squares are kept, not samples.

    Args:
        sampling_rate (`int`): Samples per second.
    """

    def __init__(self, sampling_rate: int) -> None:
        self.hop = max(1, round(HOP_S * sampling_rate))
        self.sampling_rate = sampling_rate
        self.size = 0
        self._sums, self._squares = array("d"), array("d")  # two that grow: many small ones would fragment memory
        self._left = np.zeros(0, np.float32)

    def add(self, samples: np.ndarray) -> None:
        """Take the next float samples `[samples]`."""
        self.size += samples.size
        samples = np.concatenate([self._left, samples])
        whole = samples.size // self.hop * self.hop
        hops = samples[:whole].reshape(-1, self.hop).astype(np.float64)
        self._sums.frombytes(hops.sum(axis=1).tobytes())
        self._squares.frombytes(np.square(hops).sum(axis=1).tobytes())
        self._left = samples[whole:].copy()

    def of_hops(self) -> np.ndarray:
        """float64 `[hops]`; the last one may be a part of a hop."""
        last = self._left.astype(np.float64)
        sums = np.append(np.frombuffer(self._sums), last.sum())
        squares = np.append(np.frombuffer(self._squares), np.square(last).sum())
        counts = np.full(sums.size, float(self.hop))
        counts[-1] = last.size
        mean = sums.sum() / max(self.size, 1)
        energy = squares - 2 * mean * sums + mean**2 * counts
        return energy[: energy.size if last.size else -1].clip(min=0.0)


def window_start(
    audio: np.ndarray | None, sampling_rate: int, clip_duration: float, duration: float, window: str
) -> float:
    """Decide which seconds of a clip are looked at.

    `"start"` is the beginning, `"center"` the middle of the clip. `"voice"` has the most sound energy; of windows that
    are equally good within 1 % it is the one in whose middle that energy is centred. Silence and absence of sound give
    the centre. A clip not longer than the window is taken from its beginning. Impossible settings raise a ValueError.

    Args:
        audio (`np.ndarray`, *optional*): float [samples] mono, the whole sound from time 0.
        sampling_rate (`int`): Samples per second of `audio`.
        clip_duration (`float`): Seconds in the whole clip.
        duration (`float`): Seconds the window lasts.
        window (`str`): One of `WINDOWS`.

    Returns:
        `float`: Seconds, never negative; the window ends inside the clip wherever it fits.
    """
    check_settings(1, duration, sampling_rate, window)
    energy = None
    if audio is not None and window == "voice":
        energy = HopEnergy(sampling_rate)
        energy.add(audio[: round(clip_duration * sampling_rate)])
    return place_window(energy, clip_duration, duration, window)


def place_window(energy: HopEnergy | None, clip_duration: float, duration: float, window: str) -> float:
    """[`window_start`] for a sound of which only the energy is known."""
    spare = clip_duration - duration
    if window == "start" or not spare > 0:
        return 0.0
    spare -= math.ulp(spare) * (spare + duration > clip_duration)  # rounding: no window ends one bit after the clip
    voice = None if window == "center" or energy is None else _voice_start(energy, spare, duration)
    return spare / 2 if voice is None else voice


def _voice_start(of: HopEnergy, spare: float, duration: float) -> float | None:
    """Place a window on the most sound energy: seconds in 0..`spare`, None for silence."""
    energy, hop_s = of.of_hops(), of.hop / of.sampling_rate
    if energy.sum() <= SILENCE * of.size:
        return None
    # No window need begin after the sound. The last place too: otherwise the last hop of the clip is never seen.
    last = min(spare, of.size / of.sampling_rate)
    starts = np.append(np.arange(math.floor(last / hop_s) + 1) * hop_s, last).clip(max=last)
    edges = np.arange(energy.size + 1) * hop_s
    until = np.concatenate([[0.0], np.cumsum(energy)])
    inside = np.interp(starts + duration, edges, until) - np.interp(starts, edges, until)
    best = starts[inside.argmax()]
    weights = energy * np.clip(np.minimum(edges[1:], best + duration) - np.maximum(edges[:-1], best), 0.0, None)
    good = starts[inside >= EQUALLY_GOOD * inside.max()]
    centred = (weights * (edges[:-1] + hop_s / 2)).sum() / weights.sum() - duration / 2
    # A tenth of a hop aside, so that rounding noise does not decide when the centre lies just between two hops.
    return float(good[np.abs(good - (centred + 0.1 * hop_s)).argmin()])


def check_settings(num_frames: int, duration: float, sampling_rate: int, window: str) -> None:
    """Refuse settings under which no window exists."""
    if window not in WINDOWS:
        raise ValueError(f"window={window!r}: expected one of {', '.join(map(repr, WINDOWS))}.")
    for name, value in (("num_frames", num_frames), ("duration", duration), ("sampling_rate", sampling_rate)):
        if not 0 < value < math.inf:
            raise ValueError(f"{name}={value}: expected a number above 0.")
