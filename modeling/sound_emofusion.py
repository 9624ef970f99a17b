"""Decoded sound of any format, brought to mono at one rate. This file travels to the hub: it imports none of ours."""

from typing import Any

import numpy as np

try:
    import av
except ImportError:
    av = None  # type: ignore[assignment]

SYNC_S = 0.02  # offsets and gaps up to this cannot be noticed, and containers round by as much


class SoundMixer:
    """Brings decoded sound to mono at `rate`, with zeros in gaps; its clock shows `begin` at the first sample."""

    def __init__(self, rate: int, longest: float, failed: list[Any]) -> None:
        self.rate, self.longest, self.failed = rate, longest, failed
        self.begin = 0.0
        self.channels = 0  # the most that any piece has
        self._read: float | None = None  # seconds from `begin` to the end of the last frame
        self._parts: list[np.ndarray] = []
        self._resampler: Any = None
        self._setup = ("", 0, 1)  # format, channels, samples per second that the resampler takes

    def add(self, frame: Any) -> None:
        """Take the next frame; a leap in its time or a change of format begins a new piece."""
        if self._read is None:
            self.begin, self._read = frame.time or 0.0, 0.0
        time = self._read if frame.time is None else frame.time - self.begin
        missing = time - self._read if self._read + SYNC_S < time <= self.longest else 0.0
        setup = (frame.format.name, frame.layout.nb_channels, frame.sample_rate)
        if missing or setup != self._setup:
            self._resample(None)
            self._parts.append(np.zeros(round(missing * self.rate), np.float32))
            # FFmpeg's own way to mono makes stereo 3 dB louder; the mean of left and right does not.
            layout = "mono" if frame.layout.nb_channels == 1 else "stereo"
            self._resampler, self._setup = av.AudioResampler("fltp", layout, self.rate), setup
        self.channels = max(self.channels, frame.layout.nb_channels)
        self._read += missing + frame.samples / frame.sample_rate
        self._resample(frame)

    def _resample(self, frame: Any) -> None:
        try:
            if self._resampler is not None:
                self._parts += [part.to_ndarray().mean(axis=0) for part in self._resampler.resample(frame)]
        except av.FFmpegError:  # damage made a rate or layout that does not exist
            self.failed.append(frame)

    def finish(self, announced: float, notes: list[str]) -> np.ndarray | None:
        """Join to float32 [samples], None without any; `announced` seconds are in the header (0: it does not say)."""
        self._resample(None)
        if not sum(part.size for part in self._parts):
            return None
        samples = np.concatenate(self._parts)
        if announced and 0 < samples.size / self.rate - announced <= 2048 / self._setup[2]:  # 2048: two AAC frames
            samples = samples[: round(announced * self.rate)]  # off goes what filled the encoder's last block
        if not np.isfinite(samples).all():
            notes.append("sound: samples that are no numbers were set to 0")
            samples = np.where(np.isfinite(samples), samples, np.float32(0))
        if not samples.any():
            notes.append("sound: digital silence from beginning to end")
        return samples
