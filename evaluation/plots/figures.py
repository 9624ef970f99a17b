"""What all plots share: colours that everyone can tell apart, titles and labels that fit, whole PNG files."""

import textwrap
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from emofusion.data.whole_files import write_whole

# Okabe and Ito's colours, told apart by colour-blind readers too; their yellow is too pale on white.
BLUE, ORANGE, GREEN, PURPLE, SKY, AMBER = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, AMBER, "black")
GREY = "#5A5A5A"

_LETTERS_PER_INCH = 11.5  # of a title, rather too few than too many
_MARGIN = 0.09  # inches


def blank_figure(width: float, height: float, title: str) -> Figure:
    """An empty figure of so many inches; room for the title, whose long lines are wrapped, comes on top."""
    letters = max(12, round(width * _LETTERS_PER_INCH))
    lines = [part for line in title.splitlines() for part in textwrap.wrap(line, letters)]
    figure = Figure(
        figsize=(width, height + 0.2 * len(lines)), layout=ConstrainedLayoutEngine(w_pad=_MARGIN, h_pad=_MARGIN)
    )
    figure.suptitle("\n".join(lines), fontsize="medium")
    return figure


def sorted_actors(scores: Iterable[str]) -> list[str]:
    """Numbers of actors in their order: 2 before 10."""
    return sorted(scores, key=lambda actor: (len(actor), actor))


def actors_width(wanted: float) -> float:
    """Inches of a figure that shows actors side by side: as many as it needs, within what can be read."""
    return min(14.0, max(6.5, wanted))


def uar_of_actors(
    figure: Figure,
    axes: Axes,
    actors: Sequence[str],
    chance: float | None,
    mean_at: float | None = None,
    person: str = "actor",
) -> None:
    """Axes of UAR, one place an actor: names, ends, grid and the line of chance.

    Args:
        figure (`Figure`): As wide as it will be.
        axes (`Axes`): Changed in place.
        actors (`Sequence[str]`): From left to right, at 0, 1, 2 and so on.
        chance (`float`, *optional*): UAR of guessing.
        mean_at (`float`, *optional*): Where the mean over the actors stands, behind them.
        person (`str`): What one of them is called.
    """
    places, names = [*map(float, range(len(actors)))], list(actors)
    if mean_at is not None:
        places, names = [*places, mean_at], [*names, "mean"]
    if chance is not None:
        axes.axhline(chance, color=GREY, ls=":", label=f"chance: {chance:.3f}")
    crowded = sum(map(len, names)) > 9 * figure.get_figwidth()
    axes.set_xticks(places, names, rotation=90 if crowded else 0, fontsize=7 if crowded else "medium")
    axes.set_xlim(-0.7, places[-1] + 0.7)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel(f"test {person}")
    axes.set_ylabel("UAR")
    axes.grid(axis="y", alpha=0.3)


def name_rows(axes: Axes, names: list[str]) -> None:
    """Write the names of rows at the left, the first one on top; long names are wrapped."""
    axes.set_yticks(range(len(names)), [textwrap.fill(name, 38) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)


def rows_height(names: list[str]) -> float:
    """Inches that named rows need; they are as far apart as the name with most lines asks for."""
    lines = max(len(textwrap.wrap(name, 38)) for name in names)
    return 0.9 + len(names) * max(0.34, 0.05 + 0.18 * lines)


def legend_below(figure: Figure, axes: Axes) -> None:
    """Legend of the axes under the figure, which grows by it; in as many columns as the longest name allows."""
    handles, names = axes.get_legend_handles_labels()
    names = [textwrap.fill(name, 80) for name in names]
    longest = max(len(line) for name in names for line in name.split("\n"))
    columns = min(len(names), max(1, int(figure.get_figwidth() / (0.75 + 0.085 * longest))))
    lines = sum(name.count("\n") + 1 for name in names)
    figure.set_figheight(figure.get_figheight() + 0.21 * -(-lines // columns))
    figure.legend(handles, names, loc="outside lower center", ncols=columns, frameon=False)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG, its folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.set_dpi(120)
    # Not savefig, which lays a figure out in a draw of its own before it draws it: twice the time.
    write_whole(path, FigureCanvasAgg(figure).print_png)


def png_bytes(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG."""
    buffer = BytesIO()
    figure.set_dpi(120)
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def drawn(figure: Callable[..., Figure], *given: Any) -> Callable[[Path], None]:
    """What draws a figure of these arguments, and writes it to the path it is given."""
    return lambda path: save_figure(figure(*given), path)
