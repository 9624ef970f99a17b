"""Draw docs/images/overview.png, the picture on the README's first screen.

python docs/images/draw_overview.py
"""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#555555"


def box(axes: Axes, x: float, y: float, width: float, text: str, colour: str) -> None:
    """A rounded box of height 1 with its lower left corner at (x, y)."""
    shape = FancyBboxPatch(
        (x, y), width, 1, boxstyle="round,pad=0.06", linewidth=1.6, edgecolor=colour, facecolor="white"
    )
    axes.add_patch(shape)
    axes.text(x + width / 2, y + 0.5, text, ha="center", va="center", fontsize=9.5, color="black")


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = GREY) -> None:
    """An arrow between two points."""
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=13, linewidth=1.4, color=colour))


def main() -> None:
    """Draw and save."""
    figure = Figure(figsize=(10.4, 3.1), layout="constrained")
    axes = figure.subplots()
    box(axes, 0, 2, 2.3, "8 frames\n112 x 112", BLUE)
    box(axes, 0, 0, 2.3, "3 s of sound\nlog-mel 64 x 188", ORANGE)
    box(axes, 3.1, 2, 2.3, "ResNet18 per frame\n512", BLUE)
    box(axes, 3.1, 0, 2.3, "ResNet18\n128", ORANGE)
    box(axes, 6.2, 1, 2.7, "gate: g sound + (1 - g) picture\nstarts at g = 0.27", GREEN)
    box(axes, 9.7, 1, 2.5, "neutral, calm, happy, sad,\nangry, fearful, disgust,\nsurprised", GREY)
    for y, colour in ((2.5, BLUE), (0.5, ORANGE)):
        arrow(axes, (2.38, y), (3.02, y), colour)
    arrow(axes, (5.48, 2.5), (6.7, 2.1), BLUE)
    arrow(axes, (5.48, 0.5), (6.7, 0.9), ORANGE)
    arrow(axes, (8.98, 1.5), (9.62, 1.5))
    axes.text(6.95, 2.4, "either may be missing: then g is exactly 0 or 1", fontsize=9, color=GREY, ha="left")
    axes.set_xlim(-0.2, 12.4)
    axes.set_ylim(-0.2, 3.2)
    axes.set_axis_off()
    figure.savefig(Path(__file__).with_name("overview.png"), dpi=120)


if __name__ == "__main__":
    main()
