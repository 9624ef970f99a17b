"""Draws the actors of the demo corpus: cartoon heads whose mouth, brows and eyes act a given expression.

Everything is a filled polygon in head units (origin at the centre of the head, y downwards, chin at about y = 1)
that a `Pen` turns, bows, tilts and scales onto a canvas of `OVERSAMPLING` times the wanted size; shrinking the canvas
smooths the edges. Features lie on an ellipsoid, so a turned head hides them as a real one does.
"""

import colorsys
import dataclasses
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from emofusion.data.demo_acting import Acting, Expression

OVERSAMPLING = 3
MUCH_TURNED = 0.5  # radians; below, no feature of a face leaves sight
NUM_ACTORS = 24
HAIR_STYLES = ("short", "long", "bald", "bun", "curly", "fringe")

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
        hair_style (`str`): One of `HAIR_STYLES`.
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
    hair_style: str
    beard: bool
    light: tuple[float, float]


def _rgb(hue: float, saturation: float, value: float) -> Colour:
    """Convert a colour of three shares (hue, saturation, value) to RGB bytes."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def _shade(colour: Colour, factor: float) -> Colour:
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
    generator = np.random.default_rng([seed, 101])
    # Latin hypercube: in each of the 32 traits every actor has a step of the range to itself.
    steps = np.stack([generator.permutation(NUM_ACTORS) for _ in range(32)]) + generator.random((32, NUM_ACTORS))
    trait = iter(steps[:, actor - 1] / NUM_ACTORS)

    def between(low: float, high: float) -> float:
        return low + (high - low) * float(next(trait))

    male = actor % 2 == 1
    tone = between(0, 1)
    skin = _rgb(0.055 + between(-0.012, 0.018), 0.32 + 0.28 * tone, 0.98 - 0.42 * tone)
    hair = _rgb(0.07 + between(-0.03, 0.03), between(0.1, 0.75), between(0.1, 0.75) * (1 - 0.6 * tone))
    wall_hue = between(0, 1)
    styles = ("short", "bald", "curly", "short", "fringe", "long") if male else ("long", "bun", "curly", "fringe")
    return Look(
        skin=skin,
        hair=hair,
        brow=_shade(skin, 0.28),
        lips=_shade(skin, 0.45) if male else _rgb(0.98, 0.7, 0.35 + 0.35 * (1 - tone)),
        iris=_rgb(between(0.05, 0.62), 0.6, 0.4),
        shirt=_rgb(wall_hue + 0.5 + between(-0.15, 0.15), 0.5, between(0.25, 0.85)),
        wall=_rgb(wall_hue, between(0.08, 0.35), between(0.55, 0.95)),
        head_width=between(0.74, 0.88),
        jaw=between(0.0, 0.6) + (0.3 if male else 0.0),
        size=between(0.37, 0.42),
        place=(between(0.45, 0.55), between(0.47, 0.54)),
        brow_height=between(-0.46, -0.40),
        brow_thickness=between(0.075, 0.10) + (0.015 if male else 0.0),
        eye_size=between(0.92, 1.12),
        eye_gap=between(0.33, 0.38),
        mouth_height=between(0.50, 0.57),
        mouth_width=between(0.29, 0.36),
        mouth_corners=between(-0.025, 0.025),
        nose_length=between(0.9, 1.25),
        hair_style=styles[int(between(0, len(styles)))],
        beard=male and between(0, 1) < 0.4,
        light=(between(-0.35, 0.35), between(-0.1, 0.25)),
    )


class Pen:
    """Draws polygons given in head units.

    Args:
        canvas (`ImageDraw.ImageDraw`): Where to draw.
        scale (`float`): Pixels in a head unit.
        centre (`tuple[float, float]`): Pixel of the head's centre.
        head_width (`float`): Half width of the head, in head units.
        turn, bow, tilt (`float`): Head to its side, chin to the chest, ear to the shoulder; radians.
    """

    def __init__(
        self,
        canvas: ImageDraw.ImageDraw,
        scale: float,
        centre: tuple[float, float],
        head_width: float,
        turn: float = 0.0,
        bow: float = 0.0,
        tilt: float = 0.0,
    ) -> None:
        self.canvas, self.scale, self.centre, self.head_width = canvas, scale, centre, head_width
        self.turn, self.tilt = turn, tilt
        turned = np.array([[np.cos(turn), 0, np.sin(turn) * head_width], [0, np.cos(bow), np.sin(bow)]])
        rolled = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
        self._matrix = scale * (rolled @ turned).T  # from x, y, depth in head units to x, y in pixels
        self._radii = np.array([head_width, 1.1])
        self._offset = np.array(centre)

    def upright(self, tilt: float = 0.0) -> "Pen":
        """Return a pen for what does not move with the head: shoulders, hands."""
        return Pen(self.canvas, self.scale, self.centre, self.head_width, tilt=tilt)

    def place(self, points: np.ndarray, depth: float | None = None) -> np.ndarray:
        """Map head units to pixels.

        Args:
            points (`np.ndarray`): float [points, 2].
            depth (`float`, *optional*): Distance towards the viewer; `None` for the surface of the head.

        Returns:
            `np.ndarray`: float [points, 2], x and y in pixels of the canvas.
        """
        if depth is not None:
            return points @ self._matrix[:2] + depth * self._matrix[2] + self._offset
        unit = points / self._radii
        surface = np.sqrt(np.maximum(0.0, 1 - (unit**2).sum(axis=1)))
        if abs(self.turn) > MUCH_TURNED:
            # What the turn takes out of sight stays on the rim: the point where the surface turns away.
            rim = np.sqrt(np.maximum(1e-6, 1 - unit[:, 1] ** 2))
            angle = np.arctan2(unit[:, 0], surface) + self.turn
            seen = np.clip(angle, -np.pi / 2, np.pi / 2) - self.turn
            points = np.stack([self.head_width * rim * np.sin(seen), points[:, 1]], axis=1)
            surface = rim * np.cos(seen)
        return points @ self._matrix[:2] + surface[:, None] * self._matrix[2] + self._offset

    def place_outline(self, points: np.ndarray) -> np.ndarray:
        """Map the outline of the head, float [points, 2], to pixels: a turn leaves it as it is."""
        facing = Pen(self.canvas, self.scale, self.centre, self.head_width, 0.0, 0.0, self.tilt)
        return facing.place(points, 0.0)

    def fill(self, points: np.ndarray, colour: Colour, depth: float | None = None) -> None:
        """Fill a polygon, float [points, 2]."""
        self.canvas.polygon(self.place(points, depth).ravel().tolist(), fill=colour)

    def fill_pixels(self, *parts: np.ndarray, colour: Colour) -> None:
        """Fill a polygon whose parts, float [points, 2], are in pixels."""
        self.canvas.polygon(np.concatenate(parts).ravel().tolist(), fill=colour)

    def stroke(self, points: np.ndarray, colour: Colour, width: float, depth: float | None = None) -> None:
        """Draw a line through `CURVE_POINTS` points, float [13, 2]; `width`, in head units, rounds off at its ends."""
        pixels = self.place(points, depth)
        along = np.empty_like(pixels)
        along[1:-1] = pixels[2:] - pixels[:-2]
        along[0], along[-1] = pixels[1] - pixels[0], pixels[-1] - pixels[-2]
        along *= (0.5 * width * self.scale * _ROUNDED / np.maximum(1e-6, np.hypot(along[:, 0], along[:, 1])))[:, None]
        across = along[:, ::-1] * _QUARTER_TURN
        self.canvas.polygon(np.concatenate([pixels + across, (pixels - across)[::-1]]).ravel().tolist(), fill=colour)


CURVE_POINTS = 13
_SHARE = np.linspace(0, 1, CURVE_POINTS)
# Weights of start, middle and end in every point of a parabola through the three, float [13, 3].
_PARABOLA = np.stack([(1 - _SHARE) * (1 - 2 * _SHARE), 4 * _SHARE * (1 - _SHARE), _SHARE * (2 * _SHARE - 1)], axis=1)
_ROUNDED = np.sqrt(np.maximum(0.0, 1 - np.abs(2 * _SHARE - 1) ** 5)) + 0.15
_QUARTER_TURN = np.array([-1.0, 1.0])
_ANGLE = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLE), np.sin(_ANGLE)], axis=1)


def _oval(x: float, y: float, half_width: float, half_height: float) -> np.ndarray:
    """Return the outline of an ellipse, float [24, 2]."""
    return _CIRCLE * (half_width, half_height) + (x, y)


def _bend(start: tuple[float, float], middle: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    """Return a parabola through three points (the middle one half way), float [13, 2]."""
    return _PARABOLA @ np.array((start, middle, end))


def _head_outline(look: Look) -> np.ndarray:
    """Return the outline of the head, float [48, 2]: an oval whose lower half grows square with the jaw."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    x, y = np.cos(angle), np.sin(angle)
    fuller = np.where(y > 0, 1 + (0.16 * look.jaw - 0.10 * (1 - look.jaw)) * np.sin(2 * np.arctan2(y, np.abs(x))), 1)
    return np.stack([look.head_width * x * fuller, y * np.where(y > 0, 1.0, 1.06)], axis=1)


def _draw_behind(pen: Pen, look: Look) -> None:
    """Draw what lies behind the head: shoulders, neck, hair."""
    if look.hair_style == "long":
        pen.fill(_oval(0, 0.2, look.head_width * 1.28, 1.25), look.hair, depth=-0.2)
    if look.hair_style == "bun":
        pen.fill(_oval(0, -1.12, 0.36, 0.3), look.hair, depth=-0.2)
    upright = pen.upright()
    upright.fill(_oval(0, 2.05, 1.45, 0.95), look.shirt, depth=0)
    upright.fill(np.array([[-0.34, 0.5], [0.34, 0.5], [0.4, 1.3], [-0.4, 1.3]]), _shade(look.skin, 0.8), depth=0)
    if look.hair_style == "curly":
        for angle in np.linspace(np.pi * 0.98, np.pi * 2.02, 9):
            centre = (1.02 * look.head_width * np.cos(angle), 0.95 * np.sin(angle) - 0.02)
            pen.fill(_oval(*centre, 0.3, 0.3), look.hair, depth=-0.2)
    _draw_ear(pen, look, -1)
    _draw_ear(pen, look, 1)


def _draw_ear(pen: Pen, look: Look, side: int) -> None:
    """Draw the ear on the left (-1) or right (1) of the picture."""
    pen.fill(_oval(side * look.head_width * 0.98, 0.02, 0.12, 0.2), _shade(look.skin, 0.88), depth=0)


def _draw_hair(pen: Pen, look: Look) -> None:
    """Draw the hair in front: from the outline of the head down to the hairline."""
    if look.hair_style == "bald":
        return
    outline = _head_outline(look) * 1.05
    top = outline[24:][outline[24:, 1] < 0]
    line = {"fringe": -0.62, "short": -0.78, "long": -0.74, "bun": -0.8, "curly": -0.68}[look.hair_style]
    hairline = np.concatenate(
        [
            _bend((look.head_width * 1.0, -0.05), (look.head_width * 0.86, -0.5), (0.42, line)),
            _bend((0.42, line), (0, line - 0.04), (-0.42, line)),
            _bend((-0.42, line), (-look.head_width * 0.86, -0.5), (-look.head_width * 1.0, -0.05)),
        ]
    )
    pen.fill_pixels(pen.place_outline(top), pen.place(hairline), colour=look.hair)


def _draw_eyes(pen: Pen, look: Look, face: Expression, blink: float) -> None:
    """Draw eyes, lids and brows."""
    opening = 0.125 * look.eye_size * max(0.04, (1 + face.eyes) * (1 - blink))
    half_width = 0.19 * look.eye_size
    for side in (-1, 1):
        middle = side * look.eye_gap
        eye_y = -0.13
        lower = eye_y + max(0.02, opening * 0.85 * (1 - 0.75 * face.cheeks) + 0.01)
        inner, outer = (middle - side * half_width, eye_y + 0.02), (middle + side * half_width, eye_y)
        lid = _bend(inner, (middle, eye_y - opening), outer)
        white = np.concatenate([lid, _bend(outer, (middle, lower), inner)])
        pen.fill(white, (250, 250, 246))
        shown = _oval(middle, eye_y - 0.01, 0.095, 0.095)
        shown[:, 1] = np.clip(shown[:, 1], eye_y - 0.92 * opening, lower - 0.01)
        pen.fill(shown, _shade(look.iris, 0.5))
        pen.stroke(lid, _shade(look.brow, 0.7), 0.05)
        pen.stroke(_bend(outer, (middle, lower), inner), _shade(look.skin, 0.62), 0.02)
        brow_in = (side * (look.eye_gap - 0.19 - face.brow_knit), look.brow_height - face.brow_inner + 0.02)
        brow_out = (side * (look.eye_gap + 0.24), look.brow_height - face.brow_outer + 0.03)
        arch = (brow_in[1] + brow_out[1]) / 2 - 0.055 - 0.25 * max(0.0, face.brow_outer)
        pen.stroke(_bend(brow_in, (middle, arch), brow_out), look.brow, look.brow_thickness)


def _draw_nose(pen: Pen, look: Look, face: Expression) -> None:
    """Draw the nose, and the folds beside it that disgust and smiles deepen."""
    shadow = _shade(look.skin, 0.68)
    tip = 0.26 * look.nose_length - 0.05 * face.nose
    pen.stroke(_bend((-0.1, tip - 0.03), (0.0, tip + 0.04), (0.1, tip - 0.03)), shadow, 0.045)
    pen.stroke(_bend((0.04, -0.1), (0.07, 0.08), (0.12, tip - 0.05)), shadow, 0.025)
    if face.nose > 0.3:
        for height in (-0.16, -0.08):
            pen.stroke(_bend((-0.1, height), (0.0, height - 0.04), (0.1, height)), shadow, 0.03)
    fold = max(face.nose, face.cheeks)
    if fold > 0.35:
        for side in (-1, 1):
            fold_end = (side * (look.mouth_width + face.width + 0.09), look.mouth_height - face.corners - 0.02)
            pen.stroke(_bend((side * 0.17, tip - 0.02), (side * 0.32, tip + 0.06), fold_end), shadow, 0.03)


def _draw_mouth(pen: Pen, look: Look, face: Expression, opening: float) -> None:
    """Draw lips, teeth and the inside of the mouth."""
    half_width = max(0.12, look.mouth_width + face.width - 0.05 * opening)
    corner_y = look.mouth_height - face.corners - look.mouth_corners
    jaw = max(0.0, face.jaw) + 0.17 * opening
    upper_y = look.mouth_height + 0.35 * face.corners - max(0.0, face.upper_lip) - 0.22 * jaw
    lower_y = max(upper_y + 0.01, look.mouth_height + 0.45 * face.corners + 0.85 * jaw)
    gap = lower_y - upper_y
    upper, lower = _lip(half_width, corner_y, upper_y), _lip(half_width, corner_y, lower_y)
    if gap > 0.04:
        pen.fill(np.concatenate([upper, lower[::-1]]), (88, 18, 24))
        teeth = _lip(half_width, corner_y, upper_y + min(0.09, 0.55 * gap))
        pen.fill(np.concatenate([upper, teeth[::-1]]), (250, 248, 240))
    pen.stroke(lower, look.lips, 0.065)
    pen.stroke(upper, look.lips, 0.055)


def _lip(half_width: float, corner_y: float, middle_y: float) -> np.ndarray:
    """Return a lip from corner to corner, float [13, 2]; fuller than a parabola, so that the corners stay round."""
    share = 1 - np.abs(2 * _SHARE - 1) ** 2.6
    return np.stack([half_width * (2 * _SHARE - 1), corner_y + (middle_y - corner_y) * share], axis=1)


def _draw_beard(pen: Pen, look: Look) -> None:
    """Draw a beard along the jaw that leaves the mouth free."""
    outline = _head_outline(look)
    lower = outline[1:24]
    inner = np.stack([lower[::-1, 0] * 0.8, lower[::-1, 1] * 0.84], axis=1)
    pen.fill_pixels(pen.place_outline(lower), pen.place(inner), colour=_shade(look.hair, 0.85))


def _draw_cover(pen: Pen, look: Look, trouble: str, shift: float) -> None:
    """Draw a hand or a sheet of paper in front of the face."""
    flat = pen.upright(pen.tilt + 0.25 * shift)
    if trouble == "sheet":
        flat.fill(np.array([[-0.95, -0.62], [0.95, -0.62], [0.95, 1.5], [-0.95, 1.5]]), (238, 238, 232), depth=0)
        for height in np.linspace(-0.4, 1.2, 9):
            flat.stroke(_bend((-0.75, height), (0, height), (0.7, height)), (150, 150, 155), 0.03, depth=0)
        return
    skin, edge = _shade(look.skin, 0.93), _shade(look.skin, 0.7)
    flat.fill(np.array([[-0.35, 0.9], [0.35, 0.9], [0.45, 2.4], [-0.45, 2.4]]), _shade(look.shirt, 0.9), depth=0)
    flat.fill(_oval(0, 0.55, 0.66, 0.55), edge, depth=0)
    flat.fill(_oval(0, 0.55, 0.63, 0.52), skin, depth=0)
    for x, top in ((-0.48, -0.35), (-0.17, -0.55), (0.15, -0.58), (0.46, -0.42)):
        finger = _bend((x, 0.5), (x, (top + 0.5) / 2), (x * 1.05, top))
        flat.stroke(finger, edge, 0.31, depth=0)
        flat.stroke(finger, skin, 0.27, depth=0)


def _move(acting: Acting, times_s: np.ndarray, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw the small motions of a clip, each float [frames]: sway, turn, tilt, blinks, the level of the expression."""
    phase = generator.uniform(0, 2 * np.pi, size=4)
    blink_at = generator.uniform(0.3, acting.duration_s - 0.3, size=2)
    return {
        "x": 0.012 * np.sin(1.7 * times_s + phase[0]) + generator.normal(0, 0.015),
        "y": 0.008 * np.sin(2.3 * times_s + phase[1]) + generator.normal(0, 0.015),
        "turn": 0.08 * np.sin(1.3 * times_s + phase[2]) + generator.normal(0, 0.10),
        "tilt": 0.04 * np.sin(1.1 * times_s + phase[3]) + generator.normal(0, 0.06),
        "blink": (np.abs(times_s[:, None] - blink_at).min(axis=1) < 0.06).astype(float),
    }


def _light(look: Look, size: int, generator: np.random.Generator) -> np.ndarray:
    """Return the lighting of a clip, float32 [size, size, 1]: a slope over the picture and a brightness."""
    span = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    slope = look.light[0] * span[None, :] + look.light[1] * span[:, None]
    return ((1 + slope) * generator.uniform(0.88, 1.08))[..., None].astype(np.float32)


def draw_frames(acting: Acting, seed: int, size: int, fps: int) -> Iterator[np.ndarray]:
    """Draw a clip.

    Args:
        acting (`Acting`): What to show.
        seed (`int`): Seed of the corpus, >= 0.
        size (`int`): Side of the square picture in pixels.
        fps (`int`): Frames per second.

    Yields:
        `np.ndarray`: uint8 [size, size, 3], RGB, one per frame.
    """
    look = draw_look(seed, acting.performance.actor)
    generator = np.random.default_rng([seed, 4, *dataclasses.astuple(acting.performance)])
    times_s = np.arange(round(acting.duration_s * fps)) / fps
    motion = _move(acting, times_s, generator)
    shown, opening = acting.involvement(times_s), acting.mouth_opening(times_s)
    light = _light(look, size, generator)
    away = generator.choice([-1, 1]) * generator.uniform(1.2, 1.45) if acting.trouble == "turned" else 0.0
    shift = generator.uniform(-1, 1)
    side = size * OVERSAMPLING
    for frame in range(len(times_s)):
        face = Expression(*(shown[frame] * value for value in acting.expression))
        picture = Image.new("RGB", (side, side), look.wall)
        centre = (side * (look.place[0] + motion["x"][frame]), side * (look.place[1] + motion["y"][frame]))
        turn = motion["turn"][frame] + away
        scale = side * look.size * (1 + face.lean)
        pen = Pen(
            ImageDraw.Draw(picture), scale, centre, look.head_width, turn, face.bow + 0.04, motion["tilt"][frame]
        )
        _draw_behind(pen, look)
        pen.fill_pixels(pen.place_outline(_head_outline(look)), colour=look.skin)
        if look.beard:
            _draw_beard(pen, look)
        _draw_nose(pen, look, face)
        _draw_mouth(pen, look, face, float(opening[frame]))
        _draw_eyes(pen, look, face, float(motion["blink"][frame]))
        _draw_hair(pen, look)
        if abs(turn) > MUCH_TURNED and look.hair_style != "long":
            _draw_ear(pen, look, -1 if turn > 0 else 1)
        if acting.trouble in ("hand", "sheet"):
            _draw_cover(pen, look, acting.trouble, float(shift))
        pixels = np.asarray(picture.reduce(OVERSAMPLING), dtype=np.float32) * light
        yield np.clip(pixels, 0, 255).astype(np.uint8)
