"""Draws the clips of the demo corpus: cartoon heads whose mouth, brows and eyes act a given expression.

Everything is a filled polygon in head units (origin at the centre of the head, y downwards, chin at about y = 1). A
`Pen` turns, bows, tilts and scales it for all frames at once, onto a canvas of `OVERSAMPLING` times the wanted size;
shrinking the canvas smooths the edges. Features lie on an ellipsoid, so a turned head hides them as a real one does.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from .acting import Acting, Expression, Trouble, clip_generator
from .look import Colour, Look, draw_look, shade

OVERSAMPLING = 3
MUCH_TURNED = 0.5  # radians; below, no feature of a face leaves sight
DARK, WHITE, TEETH, PAPER, INK = (88, 18, 24), (250, 250, 246), (250, 248, 240), (238, 238, 232), (150, 150, 155)

Lengths = float | np.ndarray  # one for all frames, or float [frames]

_SHARE = np.linspace(0, 1, 13)  # along a curve
# Weights of start, middle and end in every point of a parabola through the three, float [13, 3].
_PARABOLA = np.stack([(1 - _SHARE) * (1 - 2 * _SHARE), 4 * _SHARE * (1 - _SHARE), _SHARE * (2 * _SHARE - 1)], axis=1)
_ROUNDED = np.sqrt(np.maximum(0.0, 1 - np.abs(2 * _SHARE - 1) ** 5)) + 0.15  # width of a stroke
_ANGLE = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLE), np.sin(_ANGLE)], axis=1)


@dataclasses.dataclass(frozen=True)
class Pose:
    """Where the head is in every frame.

    Args:
        scale (`np.ndarray`): Pixels in a head unit, float [frames].
        centre (`np.ndarray`): Pixel of the head's centre, float [frames, 2].
        turn, bow, tilt (`np.ndarray`): Head to its side, chin to the chest, ear to the shoulder; radians, [frames].
    """

    scale: np.ndarray
    centre: np.ndarray
    turn: np.ndarray
    bow: np.ndarray
    tilt: np.ndarray

    @property
    def much_turned(self) -> bool:
        """Whether parts of the face are out of sight."""
        return float(np.abs(self.turn).max()) > MUCH_TURNED

    def upright(self, tilt: float = 0.0) -> "Pose":
        """Return the pose of what goes along with the head without turning: outline, shoulders, hands."""
        still = np.zeros_like(self.turn)
        return dataclasses.replace(self, turn=still, bow=still, tilt=still + tilt)


class Pen:
    """Collects polygons, then paints them in the order in which they came.

    Args:
        pose (`Pose`): Pose of the head.
        head_width (`float`): Half width of the head, in head units.
    """

    def __init__(self, pose: Pose, head_width: float) -> None:
        self.head_width = head_width
        self._radii = np.array([head_width, 1.1])
        self._shapes: list[tuple[np.ndarray, Colour, np.ndarray]] = []  # pixels, colour, frames that show it
        self.hold(pose)

    def hold(self, pose: Pose) -> None:
        """Change the pose for the polygons to come."""
        self.pose = pose
        zero = np.zeros_like(pose.turn)
        turned = [
            [np.cos(pose.turn), zero],
            [zero, np.cos(pose.bow)],
            [np.sin(pose.turn) * self.head_width, np.sin(pose.bow)],
        ]
        tilted = [[np.cos(pose.tilt), np.sin(pose.tilt)], [-np.sin(pose.tilt), np.cos(pose.tilt)]]
        # From x, y, depth in head units to x, y in pixels, float [frames, 3, 2].
        self._matrix = _by_frame(turned) @ _by_frame(tilted) * pose.scale[:, None, None]

    def place(self, points: np.ndarray, depth: float | None = None) -> np.ndarray:
        """Map head units to pixels.

        Args:
            points (`np.ndarray`): float [points, 2], or [frames, points, 2] for a shape that changes.
            depth (`float`, *optional*): Distance towards the viewer; `None` for the surface of the head.

        Returns:
            `np.ndarray`: float [frames, points, 2], x and y in pixels of the canvas.
        """
        if depth is None:
            points, surface = self._on_surface(points)
        else:
            surface = np.full(points.shape[:-1], depth)
        raised = np.concatenate([points, surface[..., None]], axis=-1)
        return raised @ self._matrix + self.pose.centre[:, None]

    def _on_surface(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the points, [..., 2], with their depth, [...]; those out of sight are moved to the rim in sight."""
        unit = points / self._radii
        surface = np.sqrt(np.maximum(0.0, 1 - (unit**2).sum(axis=-1)))
        if not self.pose.much_turned:
            return points, surface
        turn = self.pose.turn[:, None]
        rim = np.sqrt(np.maximum(1e-6, 1 - unit[..., 1] ** 2))
        angle = np.clip(np.arctan2(unit[..., 0], surface) + turn, -np.pi / 2, np.pi / 2) - turn
        points = np.stack(np.broadcast_arrays(self.head_width * rim * np.sin(angle), points[..., 1]), axis=-1)
        return points, rim * np.cos(angle)

    def fill(self, points: np.ndarray, colour: Colour, depth: float | None = None) -> None:
        """Fill a polygon, float [points, 2] or [frames, points, 2]."""
        self.fill_pixels(self.place(points, depth), colour=colour)

    def fill_pixels(self, *parts: np.ndarray, colour: Colour, shown: np.ndarray | None = None) -> None:
        """Fill a polygon whose parts, [frames, points, 2], are in pixels, in the frames `shown`, bool [frames]."""
        pixels = np.concatenate(parts, axis=1)
        self._shapes.append((pixels, colour, np.full(len(pixels), True) if shown is None else shown))

    def stroke(self, points: np.ndarray, colour: Colour, width: Lengths, depth: float | None = None) -> None:
        """Draw a line of a `width` in head units through 13 points, rounded off at its ends; none of width 0."""
        pixels = self.place(points, depth)
        along = np.gradient(pixels, axis=1)
        across = along[..., ::-1] * (-1.0, 1.0) / np.maximum(1e-6, np.linalg.norm(along, axis=-1, keepdims=True))
        half = 0.5 * self.pose.scale * width
        across *= half[:, None, None] * _ROUNDED[:, None]
        self.fill_pixels(pixels + across, (pixels - across)[:, ::-1], colour=colour, shown=half > 0)

    def paint(self, canvas: ImageDraw.ImageDraw, frame: int) -> None:
        """Paint one frame."""
        for pixels, colour, shown in self._shapes:
            if shown[frame]:
                canvas.polygon(pixels[frame].ravel().tolist(), fill=colour)


def _by_frame(rows: list[list[np.ndarray]]) -> np.ndarray:
    """Return matrices, float [frames, rows, columns], from rows of float [frames]."""
    return np.moveaxis(np.array(rows), -1, 0)


def _point(x: Lengths, y: Lengths) -> np.ndarray:
    """Return a point, float [2] or [frames, 2]."""
    return np.stack(np.broadcast_arrays(x, y), axis=-1)


def _bend(start: np.ndarray, middle: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return a parabola through three points (the middle one half way), float [13, 2] or [frames, 13, 2]."""
    return _PARABOLA @ np.stack(np.broadcast_arrays(start, middle, end), axis=-2)


def _arc(half_width: float, y: float, rise: float, x: float = 0.0) -> np.ndarray:
    """Return a bend that is even on both sides of `x`, float [13, 2]."""
    return _bend(_point(x - half_width, y), _point(x, y - rise), _point(x + half_width, y))


def _oval(x: float, y: float, half_width: float, half_height: float) -> np.ndarray:
    """Return the outline of an ellipse, float [24, 2]."""
    return _CIRCLE * (half_width, half_height) + (x, y)


def _head_outline(look: Look) -> np.ndarray:
    """Return the outline of the head, float [48, 2]: an oval whose lower half grows square with the jaw."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    x, y = np.cos(angle), np.sin(angle)
    fuller = np.where(y > 0, 1 + (0.16 * look.jaw - 0.10 * (1 - look.jaw)) * np.sin(2 * np.arctan2(y, np.abs(x))), 1)
    return np.stack([look.head_width * x * fuller, y * np.where(y > 0, 1.0, 1.06)], axis=1)


def _place_outline(pen: Pen, points: np.ndarray) -> np.ndarray:
    """Map the outline of the head, float [points, 2], to pixels: turned or bowed it is about the same."""
    pose = pen.pose
    pen.hold(dataclasses.replace(pose.upright(), tilt=pose.tilt))
    pixels = pen.place(points, 0.0)
    pen.hold(pose)
    return pixels


def _draw_behind(pen: Pen, look: Look) -> None:
    """Draw what lies behind the face: hair, shoulders, neck, ears, the head itself."""
    pose = pen.pose
    if look.hair_style == "long":
        pen.fill(_oval(0, 0.2, look.head_width * 1.28, 1.25), look.hair, depth=-0.2)
    if look.hair_style == "bun":
        pen.fill(_oval(0, -1.12, 0.36, 0.3), look.hair, depth=-0.2)
    pen.hold(pose.upright())
    pen.fill(_oval(0, 2.05, 1.45, 0.95), look.shirt, depth=0)
    pen.fill(np.array([[-0.34, 0.5], [0.34, 0.5], [0.4, 1.3], [-0.4, 1.3]]), shade(look.skin, 0.8), depth=0)
    pen.hold(pose)
    if look.hair_style == "curly":
        for angle in np.linspace(np.pi * 0.98, np.pi * 2.02, 9):
            pen.fill(
                _oval(1.02 * look.head_width * np.cos(angle), 0.95 * np.sin(angle), 0.3, 0.3), look.hair, depth=-0.2
            )
    _draw_ear(pen, look, -1)
    _draw_ear(pen, look, 1)
    pen.fill_pixels(_place_outline(pen, _head_outline(look)), colour=look.skin)


def _draw_ear(pen: Pen, look: Look, side: int) -> None:
    """Draw the ear on the left (-1) or right (1) of the picture."""
    pen.fill(_oval(side * look.head_width * 0.98, 0.02, 0.12, 0.2), shade(look.skin, 0.88), depth=0)


def _draw_hair(pen: Pen, look: Look) -> None:
    """Draw the hair in front: from the outline of the head down to the hairline."""
    if look.hair_style == "bald":
        return
    outline = _head_outline(look)[24:] * 1.05
    line = {"fringe": -0.62, "short": -0.78, "long": -0.74, "bun": -0.8, "curly": -0.68}[look.hair_style]
    width = look.head_width
    right = _bend(_point(width, -0.05), _point(0.86 * width, -0.5), _point(0.42, line))
    hairline = np.concatenate([right, _arc(0.42, line, 0.04)[::-1], right[::-1] * (-1, 1)])
    pen.fill_pixels(_place_outline(pen, outline), pen.place(hairline), colour=look.hair)


def _draw_beard(pen: Pen, look: Look) -> None:
    """Draw a beard along the jaw that leaves the mouth free."""
    lower = _head_outline(look)[1:24]
    pen.fill_pixels(_place_outline(pen, lower), pen.place(lower[::-1] * (0.87, 0.89)), colour=shade(look.hair, 0.85))


def _draw_eyes(pen: Pen, look: Look, face: Expression[np.ndarray], blink: np.ndarray) -> None:
    """Draw eyes and lids; `blink`, float [frames], is 1 when they are shut."""
    opening = 0.125 * look.eye_size * np.maximum(0.04, (1 + face.eyes) * (1 - blink))
    half_width, eye_y = 0.19 * look.eye_size, -0.13
    lower = eye_y + np.maximum(0.02, opening * 0.85 * (1 - 0.75 * face.cheeks) + 0.01)
    for side in (-1, 1):
        middle = side * look.eye_gap
        inner, outer = _point(middle - side * half_width, eye_y + 0.02), _point(middle + side * half_width, eye_y)
        upper_lid = _bend(inner, _point(middle, eye_y - opening), outer)
        lower_lid = _bend(outer, _point(middle, lower), inner)
        pen.fill(np.concatenate([upper_lid, lower_lid], axis=1), WHITE)
        iris = _oval(middle, eye_y - 0.01, 0.095, 0.095)
        height = np.clip(iris[:, 1], (eye_y - 0.92 * opening)[:, None], (lower - 0.01)[:, None])
        pen.fill(_point(iris[:, 0], height), shade(look.iris, 0.5))
        pen.stroke(upper_lid, shade(look.brow, 0.7), 0.05)
        pen.stroke(lower_lid, shade(look.skin, 0.62), 0.02)


def _draw_brows(pen: Pen, look: Look, face: Expression[np.ndarray]) -> None:
    """Draw the brows."""
    inner_y = look.brow_height - face.brow_inner + 0.02
    outer_y = look.brow_height - face.brow_outer + 0.03
    arch_y = (inner_y + outer_y) / 2 - 0.055 - 0.25 * np.maximum(0.0, face.brow_outer)
    for side in (-1, 1):
        inner = _point(side * (look.eye_gap - 0.19 - face.brow_knit), inner_y)
        outer = _point(side * (look.eye_gap + 0.24), outer_y)
        pen.stroke(_bend(inner, _point(side * look.eye_gap, arch_y), outer), look.brow, look.brow_thickness)


def _draw_nose(pen: Pen, look: Look, face: Expression[np.ndarray]) -> None:
    """Draw the nose, its wrinkles, and the folds beside it that disgust and smiles deepen."""
    shadow, crease = shade(look.skin, 0.68), 0.03
    tip = 0.26 * look.nose_length - 0.05 * face.nose
    pen.stroke(_bend(_point(-0.1, tip - 0.03), _point(0.0, tip + 0.04), _point(0.1, tip - 0.03)), shadow, 0.045)
    pen.stroke(_bend(_point(0.04, -0.1), _point(0.07, 0.08), _point(0.12, tip - 0.05)), shadow, 0.025)
    if face.nose.max() > 0.3:
        for height in (-0.16, -0.08):
            pen.stroke(_arc(0.1, height, 0.04), shadow, crease * np.clip(1.3 * face.nose - 0.3, 0, 1))
    fold = np.maximum(face.nose, face.cheeks)
    if fold.max() > 0.35:
        for side in (-1, 1):
            start, middle = _point(side * 0.17, tip - 0.02), _point(side * 0.32, tip + 0.06)
            end = _point(side * (look.mouth_width + face.width + 0.09), look.mouth_height - face.corners - 0.02)
            pen.stroke(_bend(start, middle, end), shadow, crease * np.clip(1.6 * fold - 0.4, 0, 1))


def _draw_mouth(pen: Pen, look: Look, face: Expression[np.ndarray], opening: np.ndarray) -> None:
    """Draw lips, teeth and the inside of the mouth; `opening`, float [frames], is what the voice adds."""
    half_width = np.maximum(0.12, look.mouth_width + face.width - 0.05 * opening)
    corner_y = look.mouth_height - face.corners - look.mouth_corners
    jaw = np.maximum(0.0, face.jaw) + 0.17 * opening
    upper_y = look.mouth_height + 0.35 * face.corners - np.maximum(0.0, face.upper_lip) - 0.22 * jaw
    lower_y = np.maximum(upper_y + 0.01, look.mouth_height + 0.45 * face.corners + 0.85 * jaw)
    gap = lower_y - upper_y
    upper, lower = _lip(half_width, corner_y, upper_y), _lip(half_width, corner_y, lower_y)
    teeth = _lip(half_width, corner_y, upper_y + np.minimum(0.09, 0.55 * gap))
    pen.fill(np.concatenate([upper, lower[:, ::-1]], axis=1), DARK)
    pen.fill(np.concatenate([upper, teeth[:, ::-1]], axis=1), TEETH)
    pen.stroke(lower, look.lips, 0.065)
    pen.stroke(upper, look.lips, 0.055)


def _lip(half_width: np.ndarray, corner_y: np.ndarray, middle_y: np.ndarray) -> np.ndarray:
    """Return a lip from corner to corner, float [frames, 13, 2]; fuller than a parabola, so its corners stay round."""
    share = 1 - np.abs(2 * _SHARE - 1) ** 2.6
    return _point(half_width[:, None] * (2 * _SHARE - 1), corner_y[:, None] + (middle_y - corner_y)[:, None] * share)


def _draw_cover(pen: Pen, look: Look, trouble: Trouble, slant: float) -> None:
    """Draw a hand or a sheet of paper in front of the face."""
    pen.hold(pen.pose.upright(slant))
    if trouble == "sheet":
        pen.fill(np.array([[-0.95, -0.62], [0.95, -0.62], [0.95, 1.5], [-0.95, 1.5]]), PAPER, depth=0)
        for height in np.linspace(-0.4, 1.2, 9):
            pen.stroke(_arc(0.72, height, 0.0), INK, 0.03, depth=0)
        return
    skin, edge = shade(look.skin, 0.93), shade(look.skin, 0.7)
    pen.fill(np.array([[-0.35, 0.9], [0.35, 0.9], [0.45, 2.4], [-0.45, 2.4]]), shade(look.shirt, 0.9), depth=0)
    pen.fill(_oval(0, 0.55, 0.66, 0.55), edge, depth=0)
    pen.fill(_oval(0, 0.55, 0.63, 0.52), skin, depth=0)
    for x, top in ((-0.48, -0.35), (-0.17, -0.55), (0.15, -0.58), (0.46, -0.42)):
        finger = _bend(_point(x, 0.5), _point(x, (top + 0.5) / 2), _point(x * 1.05, top))
        pen.stroke(finger, edge, 0.31, depth=0)
        pen.stroke(finger, skin, 0.27, depth=0)


def _move(
    acting: Acting, look: Look, face: Expression[np.ndarray], times_s: np.ndarray, generator: np.random.Generator
) -> Pose:
    """Draw where the head is, for a picture of side 1: where the clip happens to have it, a slow sway, the acting."""
    phase = generator.uniform(0, 2 * np.pi, size=4)
    sway = np.sin(np.array([1.7, 2.3, 1.3, 1.1]) * times_s[:, None] + phase) * (0.012, 0.008, 0.08, 0.04)
    x, y, turn, tilt = (sway + generator.normal(0, (0.015, 0.015, 0.10, 0.06))).T
    if acting.trouble == "turned":
        turn = turn + generator.choice([-1, 1]) * generator.uniform(1.2, 1.45)
    return Pose(
        scale=look.size * (1 + face.lean),
        centre=_point(look.place[0] + x, look.place[1] + y - look.size * face.lift),
        turn=turn,
        bow=face.bow + 0.04,
        tilt=tilt,
    )


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
    look = draw_look(seed, acting.take.actor)
    generator = clip_generator(seed, acting.take, 4)
    times_s = np.arange(round(acting.duration_s * fps)) / fps
    shown = acting.involvement(times_s)
    face = Expression(*(shown * value for value in acting.expression))
    pose = _move(acting, look, face, times_s, generator)
    side = size * OVERSAMPLING
    pen = Pen(dataclasses.replace(pose, scale=side * pose.scale, centre=side * pose.centre), look.head_width)
    blink_at = generator.uniform(0.3, acting.duration_s - 0.3, size=2)
    blink = (np.abs(times_s[:, None] - blink_at).min(axis=1) < 0.06).astype(float)
    _draw_head(pen, look, face, acting.mouth_opening(times_s), blink)
    if acting.trouble in ("hand", "sheet"):
        _draw_cover(pen, look, acting.trouble, 0.25 * generator.uniform(-1, 1))
    light = _light(look, size, generator)
    for frame in range(len(times_s)):
        picture = Image.new("RGB", (side, side), look.wall)
        pen.paint(ImageDraw.Draw(picture), frame)
        lit = np.asarray(picture.reduce(OVERSAMPLING), dtype=np.float32) * light
        yield np.clip(lit, 0, 255).astype(np.uint8)


def _draw_head(pen: Pen, look: Look, face: Expression[np.ndarray], opening: np.ndarray, blink: np.ndarray) -> None:
    """Draw the actor, from the back to the front."""
    _draw_behind(pen, look)
    if look.beard:
        _draw_beard(pen, look)
    _draw_nose(pen, look, face)
    _draw_mouth(pen, look, face, opening)
    _draw_eyes(pen, look, face, blink)
    _draw_brows(pen, look, face)
    _draw_hair(pen, look)
    if pen.pose.much_turned and look.hair_style != "long":
        _draw_ear(pen, look, -1 if pen.pose.turn[0] > 0 else 1)
