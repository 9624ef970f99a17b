"""What every clip of the demo corpus acts: which expression and delivery, when it speaks, what goes wrong.

Drawing (`face.py`) and sound (`voice.py`) only carry out what is drawn here from (seed, take). Three things
keep one modality from being enough, so that a broken branch or a broken fusion shows in the scores:

1. Each modality has neighbours of its own (`FACE_NEIGHBOUR`, `VOICE_NEIGHBOUR`). A clip leans towards the
   neighbour by a share drawn from 0..b (`FACE_BLEND`, `VOICE_BLEND`), so that even a perfect reader names the right
   one of two neighbours in 1 of 2b clips only: 71 % at b = 0.7, 77 % at 0.65. No two emotions are neighbours in both
   modalities: together they are clear.
2. Every clip has its own strength and its own noise in each parameter (`FACE_NOISE`, `VOICE_NOISE`).
3. In `HIDDEN_SHARE` of the clips the face is covered or turned away, in `NOISY_SHARE` others the sound is drowned.
"""

import dataclasses
from collections.abc import Sequence
from typing import Generic, Literal, NamedTuple, TypeVar

import numpy as np

from emofusion.data.sources.ravdess_names import RavdessName

ACTORS = range(1, 25)  # odd ones are male, even ones female
FACE_NEIGHBOUR = {"neutral": "calm", "angry": "disgust", "fearful": "surprised"}
VOICE_NEIGHBOUR = {"neutral": "disgust", "calm": "sad", "happy": "surprised", "angry": "fearful"}
FACE_BLEND = 0.7
VOICE_BLEND = 0.65
HIDDEN_SHARE = 0.11
NOISY_SHARE = 0.11
NUM_SYLLABLES = 7  # "Kids are talking by the door", "Dogs are sitting by the door"

Trouble = Literal["none", "hand", "sheet", "turned", "noise"]
Number = TypeVar("Number", float, np.ndarray)  # one for a clip, or float [frames]


class Expression(NamedTuple, Generic[Number]):
    """A facial expression; lengths in head units (centre to chin), 0 everywhere is the resting face."""

    brow_inner: Number  # inner ends of the brows, up
    brow_outer: Number  # outer ends of the brows, up
    brow_knit: Number  # inner ends, towards the nose
    eyes: Number  # opening, as a share of the resting one: -1 shut, +0.6 staring
    cheeks: Number  # lower lids pushed up, 0..1
    nose: Number  # wrinkles on the nose, 0..1
    corners: Number  # mouth corners, up
    width: Number  # half width of the mouth
    jaw: Number  # opening of the mouth while silent
    upper_lip: Number  # middle of the upper lip, up (bares the teeth)
    bow: Number  # head bowed, radians
    lean: Number  # head closer to the camera, as a share of its size
    lift: Number  # head raised


class Delivery(NamedTuple):
    """A way of speaking, relative to the habit of the actor."""

    pitch: float  # semitones
    accents: float  # semitones by which stressed syllables rise
    slope: float  # semitones over the whole utterance
    final: float  # semitones by which the last syllable rises
    tempo: float  # share by which it is faster
    level: float  # dB
    fade: float  # dB by which the end is louder than the beginning
    bright: float  # dB per octave above 500 Hz
    breath: float  # share of noise in the source, 0..1
    tremor: float  # depth of a 6.5 Hz shake in pitch and level, 0..1
    attack: float  # how abruptly syllables start, 0..1


FACES = {
    #                      inner  outer  knit   eyes cheeks nose corners width  jaw   lip    bow   lean   lift
    "neutral": Expression(0.00, 0.00, 0.00, 0.00, 0.0, 0.0, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00),
    "calm": Expression(0.02, 0.02, 0.00, -0.38, 0.2, 0.0, 0.10, 0.04, 0.00, 0.00, 0.08, -0.02, 0.00),
    "happy": Expression(0.06, 0.06, 0.00, -0.15, 0.8, 0.0, 0.18, 0.14, 0.12, 0.00, -0.10, 0.03, 0.06),
    "sad": Expression(0.15, -0.15, 0.03, -0.42, 0.0, 0.0, -0.19, -0.05, 0.00, 0.00, 0.28, -0.04, -0.14),
    "angry": Expression(-0.20, 0.08, 0.07, 0.10, 0.1, 0.1, -0.10, 0.06, 0.12, 0.03, 0.10, 0.10, -0.03),
    "fearful": Expression(0.18, -0.01, 0.04, 0.50, 0.0, 0.0, -0.12, 0.12, 0.12, 0.00, -0.04, -0.09, 0.05),
    "disgust": Expression(-0.14, -0.03, 0.04, -0.50, 0.7, 1.0, -0.15, -0.05, 0.05, 0.12, -0.04, 0.06, -0.02),
    "surprised": Expression(0.20, 0.20, -0.02, 0.60, 0.0, 0.0, -0.02, -0.14, 0.30, 0.00, -0.12, -0.07, 0.09),
}
FACE_NOISE = Expression(0.022, 0.022, 0.012, 0.10, 0.1, 0.08, 0.028, 0.022, 0.022, 0.012, 0.05, 0.015, 0.02)

VOICES = {
    #                     pitch accents slope final tempo level fade bright breath tremor attack
    "neutral": Delivery(0.0, 2.0, -2.0, 0.0, 0.00, 0.0, -1.0, 0.0, 0.05, 0.0, 0.40),
    "calm": Delivery(-1.5, 1.0, -1.0, 0.0, -0.14, -8.0, 1.0, -2.0, 0.08, 0.0, 0.05),
    "happy": Delivery(4.5, 7.0, 0.0, 0.0, 0.10, 6.0, -3.0, 3.0, 0.03, 0.0, 0.60),
    "sad": Delivery(-1.0, 2.0, -6.0, -2.0, -0.20, -10.0, -8.0, -3.5, 0.55, 0.4, 0.10),
    "angry": Delivery(1.0, 4.0, -4.0, -4.0, 0.08, 14.0, -3.0, 5.5, 0.05, 0.0, 1.00),
    "fearful": Delivery(5.0, 2.0, 2.0, 1.0, 0.20, 9.0, 3.0, 3.0, 0.40, 1.0, 0.70),
    "disgust": Delivery(-3.0, 4.0, -5.0, -4.0, -0.10, -1.0, -8.0, -3.0, 0.30, 0.2, 0.70),
    "surprised": Delivery(5.5, 4.0, 6.0, 10.0, 0.00, 4.0, 6.0, 0.0, 0.25, 0.0, 0.50),
}
VOICE_NOISE = Delivery(0.9, 0.7, 0.9, 0.8, 0.05, 1.6, 1.5, 0.6, 0.03, 0.08, 0.08)

Parameters = TypeVar("Parameters", Expression[float], Delivery)


@dataclasses.dataclass(frozen=True)
class Acting:
    """All that a clip shows and says.

    Args:
        take (`RavdessName`): Which take this is.
        expression (`Expression`): Face at its peak.
        delivery (`Delivery`): Voice.
        trouble (`Trouble`): What hides the face (`hand`, `sheet`, `turned`) or drowns the voice (`noise`).
        duration_s (`float`): Length of the clip in seconds.
        onsets_s (`tuple[float, ...]`): Start of each of the 7 syllables in seconds.
        syllable_s (`float`): Length of a syllable in seconds.
    """

    take: RavdessName
    expression: Expression[float]
    delivery: Delivery
    trouble: Trouble
    duration_s: float
    onsets_s: tuple[float, ...]
    syllable_s: float

    @property
    def speech_s(self) -> tuple[float, float]:
        """Seconds at which the voice starts and ends."""
        return self.onsets_s[0], self.onsets_s[-1] + self.syllable_s

    def mouth_opening(self, times_s: np.ndarray) -> np.ndarray:
        """How far the voice opens the mouth.

        Args:
            times_s (`np.ndarray`): Moments, float [times], in seconds.

        Returns:
            `np.ndarray`: float [times], 0 closed to about 1 wide open.
        """
        phase = (times_s[:, None] - np.array(self.onsets_s)) / self.syllable_s
        bumps = np.where((phase > 0) & (phase < 1), np.sin(np.pi * np.clip(phase, 0, 1)), 0.0)
        return bumps.max(axis=1)

    def involvement(self, times_s: np.ndarray) -> np.ndarray:
        """How much of the expression shows: it comes before the voice and goes after it.

        Args:
            times_s (`np.ndarray`): Moments, float [times], in seconds.

        Returns:
            `np.ndarray`: float [times], 0 resting face to 1 full expression.
        """
        start, end = self.speech_s
        rise = np.clip((times_s - start + 0.45) / 0.4, 0, 1)
        fall = np.clip((end + 0.55 - times_s) / 0.4, 0, 1)
        ramp = np.minimum(rise, fall)
        return ramp * ramp * (3 - 2 * ramp)


def draw_traits(seed: int, purpose: int, actor: int, num_traits: int) -> list[float]:
    """Draw what is an actor's own; the 24 of one seed are spread evenly over every trait (a Latin hypercube).

    Args:
        seed (`int`): Seed of the corpus, >= 0.
        purpose (`int`): Which traits these are; other purposes are drawn independently.
        actor (`int`): 1..24.
        num_traits (`int`): How many.

    Returns:
        `list[float]`: `num_traits` shares, 0..1.
    """
    generator = np.random.default_rng([seed, purpose])
    ranks = np.stack([generator.permutation(len(ACTORS)) for _ in range(num_traits)])
    shares = (ranks + generator.random(ranks.shape)) / len(ACTORS)
    return shares[:, actor - 1].tolist()


def clip_generator(seed: int, take: RavdessName, purpose: int) -> np.random.Generator:
    """Give every clip and purpose a stream of its own, so that no draw depends on what else is made."""
    return np.random.default_rng([seed, purpose, *dataclasses.astuple(take)[2:]])


def draw_acting(seed: int, take: RavdessName, fps: int) -> Acting:
    """Draw how a take turns out.

    Args:
        seed (`int`): Seed of the corpus, >= 0.
        take (`RavdessName`): What to draw.
        fps (`int`): Frames per second; the clip lasts a whole number of frames.

    Returns:
        `Acting`: Always the same for the same arguments.
    """
    face = _mix(clip_generator(seed, take, 1), FACES, FACE_NEIGHBOUR, FACE_BLEND, FACE_NOISE, take)
    voice = _mix(clip_generator(seed, take, 2), VOICES, VOICE_NEIGHBOUR, VOICE_BLEND, VOICE_NOISE, take)
    generator = clip_generator(seed, take, 3)
    speech = float(np.clip(2.0 / (1 + voice.tempo) * generator.uniform(0.96, 1.04), 1.6, 2.5))
    lead, tail = generator.uniform(0.7, 0.85, size=2)
    duration = round((lead + speech + tail) * fps) / fps
    pace = speech / (NUM_SYLLABLES + 0.1)
    onsets = lead + pace * (np.arange(NUM_SYLLABLES) + generator.uniform(0, 0.1, size=NUM_SYLLABLES))
    return Acting(take, face, voice, _draw_trouble(generator), duration, tuple(onsets.tolist()), 0.95 * pace)


def _draw_trouble(generator: np.random.Generator) -> Trouble:
    """Decide whether the face is hidden, the voice drowned, or (mostly) neither; never both."""
    draw = generator.random()
    covers: Sequence[Trouble] = ("hand", "sheet", "turned")
    if draw < HIDDEN_SHARE:
        return covers[int(draw / HIDDEN_SHARE * len(covers))]
    return "noise" if draw < HIDDEN_SHARE + NOISY_SHARE else "none"


def _mix(
    generator: np.random.Generator,
    prototypes: dict[str, Parameters],
    neighbours: dict[str, str],
    max_blend: float,
    noise: Parameters,
    take: RavdessName,
) -> Parameters:
    """Draw the parameters of one clip in one modality: prototype, lean towards the neighbour, strength, noise."""
    emotion = take.emotion_name
    both_ways = neighbours | {other: one for one, other in neighbours.items()}
    own = np.array(prototypes[emotion])
    other = np.array(prototypes[both_ways.get(emotion, emotion)])
    rest = np.array(prototypes["neutral"])
    blend = generator.uniform(0, max_blend)
    strength = generator.uniform(1.0, 1.25) if take.intensity == 2 else generator.uniform(0.75, 1.0)
    peak = rest + strength * ((1 - blend) * own + blend * other - rest)
    return type(noise)(*(peak + np.array(noise) * generator.standard_normal(len(noise))).tolist())
