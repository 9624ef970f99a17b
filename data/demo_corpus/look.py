"""What the 24 drawn actors of the demo corpus look like at rest."""

import colorsys
import dataclasses
from collections.abc import Sequence
from typing import Literal

from .acting import draw_traits

NUM_TRAITS = 32  # a few more than are used
HairStyle = Literal["short", "long", "bald", "bun", "curly", "fringe"]

Colour = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class Look:
    """What an actor looks like at rest; lengths in head units unless said otherwise.

    Args:
        skin, hair, brow, lips, iris, shirt, wall (`Colour`): RGB, 0..255.
        head_width (`float`): Half width of the head.
        jaw (`float`): 0 pointed to 1 square chin.
        size (`float`): Head unit as a share of the picture's side.
        place (`tuple[float, float]`): Centre of the head, shares of the picture's side.
        brow_height, brow_thickness (`float`): Resting brow.
        eye_size, eye_gap (`float`): Eye, as a factor; distance of the eyes from the middle.
        mouth_height, mouth_width, mouth_corners (`float`): Resting mouth.
        nose_length (`float`): Nose.
        hair_style (`HairStyle`): Hair.
        beard (`bool`): Beard along the jaw.
        light (`tuple[float, float]`): Slope of the lighting to the right and downwards.
    """

    skin: Colour
    hair: Colour
    brow: Colour
    lips: Colour
    iris: Colour
    shirt: Colour
    wall: Colour
    head_width: float
    jaw: float
    size: float
    place: tuple[float, float]
    brow_height: float
    brow_thickness: float
    eye_size: float
    eye_gap: float
    mouth_height: float
    mouth_width: float
    mouth_corners: float
    nose_length: float
    hair_style: HairStyle
    beard: bool
    light: tuple[float, float]


def _rgb(hue: float, saturation: float, value: float) -> Colour:
    """Convert a colour of three shares (hue, saturation, value) to RGB bytes."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def shade(colour: Colour, factor: float) -> Colour:
    """Darken (factor < 1) or lighten a colour."""
    red, green, blue = (min(255, round(factor * part)) for part in colour)
    return red, green, blue


def draw_look(seed: int, actor: int) -> Look:
    """Draw the looks of an actor; the 24 of one seed are spread evenly over every trait.

    Args:
        seed (`int`): Seed of the corpus, >= 0.
        actor (`int`): 1..24; odd ones are male, even ones female.

    Returns:
        `Look`: Always the same for the same arguments.
    """
    traits = iter(draw_traits(seed, 101, actor, NUM_TRAITS))

    def between(low: float, high: float) -> float:
        return low + (high - low) * next(traits)

    male = actor % 2 == 1
    tone = between(0, 1)
    skin = _rgb(0.055 + between(-0.012, 0.018), 0.32 + 0.28 * tone, 0.98 - 0.42 * tone)
    hair = _rgb(0.07 + between(-0.03, 0.03), between(0.1, 0.75), between(0.1, 0.75) * (1 - 0.6 * tone))
    wall_hue = between(0, 1)
    styles: Sequence[HairStyle] = (
        ("short", "bald", "curly", "short", "fringe", "long") if male else ("long", "bun", "curly", "fringe")
    )
    return Look(
        skin=skin,
        hair=hair,
        brow=shade(skin, 0.28),
        lips=shade(skin, 0.45) if male else _rgb(0.98, 0.7, 0.35 + 0.35 * (1 - tone)),
        iris=_rgb(between(0.05, 0.62), 0.6, 0.4),
        shirt=_rgb(wall_hue + 0.5 + between(-0.15, 0.15), 0.5, between(0.25, 0.85)),
        wall=_rgb(wall_hue, between(0.08, 0.35), between(0.55, 0.95)),
        head_width=between(0.74, 0.88),
        jaw=between(0.0, 0.6) + (0.3 if male else 0.0),
        size=between(0.37, 0.42),
        place=(between(0.45, 0.55), between(0.47, 0.54)),
        brow_height=between(-0.49, -0.43),
        brow_thickness=between(0.085, 0.11) + (0.015 if male else 0.0),
        eye_size=between(1.05, 1.25),
        eye_gap=between(0.34, 0.38),
        mouth_height=between(0.50, 0.57),
        mouth_width=between(0.33, 0.40),
        mouth_corners=between(-0.025, 0.025),
        nose_length=between(0.9, 1.25),
        hair_style=styles[int(between(0, len(styles)))],
        beard=male and between(0, 1) < 0.4,
        light=(between(-0.35, 0.35), between(-0.1, 0.25)),
    )
