"""Plots that nobody looks at, as white dots: laying one out and painting it is half of a run of seconds.

tests/evaluation/plots paints every kind of them and looks at it, and runs that a command begins paint theirs, such as
in tests/end_to_end/test_train_hf.py and test_wheel.py.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image


def leave_plots_unpainted(patch: pytest.MonkeyPatch) -> None:
    """Figures are still made of what they show, and each is a PNG file in its place."""
    patch.setattr(FigureCanvasAgg, "print_png", _print_dot)


@pytest.fixture(autouse=True, scope="module")
def unpainted() -> Iterator[None]:
    """For the test files that import it."""
    with pytest.MonkeyPatch.context() as patch:
        leave_plots_unpainted(patch)
        yield


def _print_dot(canvas: FigureCanvasAgg, path: Path) -> None:
    Image.new("L", (1, 1), "white").save(path, "PNG")
