"""Speaks for the demo corpus: a sawtooth and noise, shaped by a few resonances syllable by syllable.

The source has the pitch and the roughness of the delivery; the filter (vowels, brightness) and the loudness act on its
short-time spectra. All is made at 16 kHz: nothing above 8 kHz is asked for.
"""

import dataclasses

import numpy as np

from .acting import Acting, clip_generator, draw_traits

SAMPLING_RATE = 16_000
FRAME, HOP = 512, 128  # samples of the short-time filter: 32 ms every 8 ms
SPEECH_LEVEL_DB = -41.0  # root mean square of an ordinary neutral utterance, full scale = 0
NOISE_LEVEL_DB = -31.0  # what drowns a voice
ROOM_LEVEL_DB = -76.0

# First three formants in Hz of a, e, i, o, u, and a schwa, for a male voice.
VOWELS = np.array(
    [[730, 1250, 2450], [530, 1840, 2480], [290, 2250, 2950], [560, 900, 2410], [320, 870, 2240], [500, 1450, 2450]]
)
STATEMENTS = ((2, 0, 3, 2, 0, 5, 3), (3, 0, 2, 2, 0, 5, 3))  # vowels, positions in VOWELS
STRESSED = np.array([1.0, 0.2, 0.7, 0.2, 0.3, 0.1, 0.9])


@dataclasses.dataclass(frozen=True)
class Voice:
    """How an actor speaks when nothing is the matter.

    Args:
        pitch_hz (`float`): Resting pitch.
        tract (`float`): Factor on the formants: 1 for a long vocal tract, above for shorter ones.
        level_db (`float`): Louder or softer than others.
        bright_db (`float`): dB per octave above 500 Hz.
        breath (`float`): Share of noise, 0..1.
        lively (`float`): Factor on the melody.
    """

    pitch_hz: float
    tract: float
    level_db: float
    bright_db: float
    breath: float
    lively: float


def draw_voice(seed: int, actor: int) -> Voice:
    """Draw the voice of an actor; the 24 of one seed are spread evenly over every trait.

    Args:
        seed (`int`): Seed of the corpus, >= 0.
        actor (`int`): 1..24; odd ones are male, even ones female.

    Returns:
        `Voice`: Always the same for the same arguments.
    """
    pitch, tract, level, bright, breath, lively = draw_traits(seed, 102, actor, num_traits=6)
    male = actor % 2 == 1
    return Voice(
        pitch_hz=(95 if male else 175) * 2 ** (5 / 12 * pitch),
        tract=(0.95 if male else 1.12) + 0.1 * tract,
        level_db=-2.5 + 5 * level,
        bright_db=-0.8 + 1.6 * bright,
        breath=0.06 * breath,
        lively=0.85 + 0.3 * lively,
    )


def speak(acting: Acting, seed: int) -> np.ndarray:
    """Make the sound of a clip.

    Args:
        acting (`Acting`): What to say and how.
        seed (`int`): Seed of the corpus, >= 0.

    Returns:
        `np.ndarray`: float32 [samples] at 16 kHz, -1..1, as long as the clip.
    """
    voice = draw_voice(seed, acting.take.actor)
    generator = clip_generator(seed, acting.take, 5)
    num_samples = round(acting.duration_s * SAMPLING_RATE)
    times_s = np.arange(num_samples) / SAMPLING_RATE
    shake = np.sin(2 * np.pi * 6.5 * times_s + generator.uniform(0, 2 * np.pi))
    loudness = _loudness(acting, times_s) * (1 + 0.45 * acting.delivery.tremor * shake)
    pitch_hz = _pitch(acting, voice, times_s) * 2 ** (0.7 * acting.delivery.tremor * shake / 12)
    breath = float(np.clip(acting.delivery.breath + voice.breath, 0.02, 0.8))
    source = (1 - breath) * _sawtooth(pitch_hz) + 1.2 * breath * generator.standard_normal(num_samples)
    speech = _filter(source, _gain(acting, voice, num_samples)) * loudness
    spoken = loudness > 0.05
    speech *= _amplitude(SPEECH_LEVEL_DB + voice.level_db + acting.delivery.level) / _rms(speech[spoken])
    sound = speech + _amplitude(ROOM_LEVEL_DB) * generator.standard_normal(num_samples)
    if acting.trouble == "noise":
        sound += _street(generator, times_s)
    return np.clip(sound, -0.99, 0.99).astype(np.float32)


def _rms(signal: np.ndarray) -> float:
    """Return the root mean square of a signal, float [samples]."""
    return float(np.sqrt(np.mean(signal**2)))


def _amplitude(level_db: float) -> float:
    """Convert dB to a factor."""
    return 10 ** (level_db / 20)


def _loudness(acting: Acting, times_s: np.ndarray) -> np.ndarray:
    """Return the envelope of the syllables, float [samples]: abrupt deliveries start each at once and let it decay."""
    attack = float(np.clip(acting.delivery.attack, 0.0, 1.0))
    envelope = np.zeros(len(times_s))
    for onset, stress in zip(acting.onsets_s, STRESSED, strict=True):
        phase = (times_s - onset) / acting.syllable_s
        inside = (phase > 0) & (phase < 1)
        share = phase[inside]
        rise = np.minimum(1, share / (0.45 - 0.4 * attack))
        fall = np.minimum(1, (1 - share) / (0.4 + 0.3 * attack))
        envelope[inside] = np.sqrt(rise) * fall * (0.7 + 0.3 * stress)
    return envelope * 10 ** (acting.delivery.fade * (_progress(acting, times_s) - 0.5) / 20)


def _progress(acting: Acting, times_s: np.ndarray) -> np.ndarray:
    """Return how far the utterance is, float [samples], 0..1."""
    start, end = acting.speech_s
    return np.clip((times_s - start) / (end - start), 0, 1)


def _pitch(acting: Acting, voice: Voice, times_s: np.ndarray) -> np.ndarray:
    """Return the melody, float [samples], in Hz: slope, accents on stressed syllables, a last turn."""
    progress = _progress(acting, times_s)
    middles = np.array(acting.onsets_s) + 0.5 * acting.syllable_s
    accents = np.interp(times_s, middles, STRESSED - STRESSED.mean())
    turn = np.clip((progress - 0.8) / 0.2, 0, 1)
    delivery = acting.delivery
    melody = delivery.accents * accents + delivery.slope * (progress - 0.5) + delivery.final * turn
    return voice.pitch_hz * 2 ** ((delivery.pitch + voice.lively * melody) / 12)


def _sawtooth(pitch_hz: np.ndarray) -> np.ndarray:
    """Return a sawtooth of a varying pitch in Hz, float [samples], its steps smoothed against aliasing (polyBLEP)."""
    step = pitch_hz / SAMPLING_RATE
    phase = np.cumsum(step) % 1
    before, after = phase > 1 - step, phase < step
    wave = 2 * phase - 1
    late, early = phase[after] / step[after], (phase[before] - 1) / step[before]
    wave[after] -= 2 * late - late**2 - 1
    wave[before] -= early**2 + 2 * early + 1
    return wave


def _gain(acting: Acting, voice: Voice, num_samples: int) -> np.ndarray:
    """Return the filter, float [short-time frames, 257]: resonances of the vowels, tilted by the brightness."""
    num_frames = num_samples // HOP + 1 + FRAME // HOP
    times_s = (np.arange(num_frames) * HOP - FRAME / 2) / SAMPLING_RATE
    middles = np.array(acting.onsets_s) + 0.5 * acting.syllable_s
    formants = VOWELS[list(STATEMENTS[acting.take.statement - 1])]
    # A louder voice opens the mouth wider, which lifts the first formant.
    lift = np.array([1 + 0.012 * acting.delivery.level, 1.0, 1.0])
    frequency = np.arange(FRAME // 2 + 1) * SAMPLING_RATE / FRAME
    gain = np.full((num_frames, len(frequency)), 0.03)
    for number, (width, strength) in enumerate(((90, 1.0), (120, 0.6), (180, 0.35))):
        centre = np.interp(times_s, middles, formants[:, number] * voice.tract * lift[number])
        gain += strength / (1 + ((frequency - centre[:, None]) / width) ** 2)
    octaves = np.log2(np.maximum(frequency, 500) / 500)
    tilt_db = (acting.delivery.bright + voice.bright_db) * octaves
    return gain * 10 ** (tilt_db / 20)


def _filter(signal: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Shape the short-time spectra of a signal.

    Args:
        signal (`np.ndarray`): float [samples].
        gain (`np.ndarray`): Factors, float [short-time frames, 257].

    Returns:
        `np.ndarray`: float [samples].
    """
    num_frames = len(gain)
    padded = np.zeros(num_frames * HOP + FRAME)
    padded[FRAME : FRAME + len(signal)] = signal
    window = np.sin(np.pi * (np.arange(FRAME) + 0.5) / FRAME)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP][:num_frames]
    shaped = np.fft.irfft(np.fft.rfft(frames * window, axis=1) * gain, n=FRAME, axis=1) * window
    # Overlap and add: the hop divides the frame, so the frames fall into FRAME // HOP interleaved sets of hops.
    total = np.zeros((num_frames + FRAME // HOP, HOP))
    for part in range(FRAME // HOP):
        total[part : part + num_frames] += shaped[:, part * HOP : (part + 1) * HOP]
    return total.reshape(-1)[FRAME : FRAME + len(signal)] * (2 * HOP / FRAME)


def _street(generator: np.random.Generator, times_s: np.ndarray) -> np.ndarray:
    """Return background noise that drowns a voice, float [samples]: pink, swelling slowly."""
    spectrum = np.fft.rfft(generator.standard_normal(len(times_s)))
    frequency = np.fft.rfftfreq(len(times_s), 1 / SAMPLING_RATE)
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(frequency, 60)), n=len(times_s))
    swell = 1 + 0.4 * np.sin(2 * np.pi * generator.uniform(0.3, 0.9) * times_s + generator.uniform(0, 2 * np.pi))
    level = _amplitude(NOISE_LEVEL_DB + generator.uniform(-2, 2))
    return level * swell * noise / _rms(noise)
