"""What all plots share: colours that everyone can tell apart, titles and labels that fit, whole PNG files."""

import textwrap
from collections.abc import Callable
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


def drawn(figure: Callable[..., Figure], *given: Any) -> Callable[[Path], None]:
    """What draws a figure of these arguments, and writes it to the path it is given."""
    return lambda path: save_figure(figure(*given), path)
