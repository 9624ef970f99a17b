"""Plots: nothing is cut off or blank, whatever the length of names, and what is drawn is what was given."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from emofusion.data.inputs.degradation import conditions_for
from emofusion.evaluation.plots.actors import actors_figure
from emofusion.evaluation.plots.branches import branches_figure
from emofusion.evaluation.plots.confusion import confusion_figure
from emofusion.evaluation.plots.coverage import coverage_figure
from emofusion.evaluation.plots.figures import save_figure
from emofusion.evaluation.plots.gate import gate_figure
from emofusion.evaluation.plots.robustness import robustness_figure
from emofusion.evaluation.plots.search import importance_figure, trials_figure
from emofusion.evaluation.plots.training import training_figure
from emofusion.evaluation.plots.variants import variants_figure
from emofusion.evaluation.reports.illustrations import plots_of
from emofusion.evaluation.scores.intervals import mean_interval
from helpers.runs.unpainted import leave_plots_unpainted

EMOTIONS = ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"]
TITLES = {
    "short": "gated, RAVDESS: macro-F1 0.61 on unseen actors",
    "long": "xattn, animated corpus (real voices, rendered faces): missing and damaged input, actors SEEN in "
    "training (leaky split), mean of six folds and three seeds of the recipe with ImageNet weights in both encoders",
}
HISTORY = [{"epoch": epoch, "loss": 2 / epoch} for epoch in range(1, 13)]
VALIDATED = [*HISTORY, *({"epoch": e, "eval_loss": 2.1, "eval_macro_f1": e / 20, "eval_uar": e / 18} for e in (1, 12))]
ONE_EPOCH = [{"epoch": 1.0, "loss": 2.2}, {"epoch": 1.0, "eval_loss": 2.1, "eval_macro_f1": 0.1, "eval_uar": 0.2}]
VARIANT = "without modality dropout, with a simple gate and ImageNet weights in both encoders, number"


def actors(count: int, first: int = 1, gender: tuple[str, str] | None = None) -> dict[str, dict[str, Any]]:
    return {
        str(first + index): {
            "clips": 60,
            "uar": 0.2 + 0.7 * index / count,
            "accuracy": 0.5,
            **({} if gender is None else {"gender": gender[index % 2]}),
        }
        for index in range(count)
    }


def beside(count: int, title: str) -> Figure:
    """Branches and fusion of so many actors."""
    audio, video, both = ({str(1 + n): low + 0.4 * n / count for n in range(count)} for low in (0.2, 0.3, 0.5))
    return branches_figure({"audio": audio, "video": video}, both, "gated", title, 0.125)


def damaged(gate: float | None = 0.3, modalities: tuple[str, ...] = ("audio", "video")) -> list[dict[str, Any]]:
    rows = enumerate(conditions_for(modalities))
    return [
        {"condition": found.name, "macro_f1": 0.95 - index / 11, "gate": gate and gate + index / 20}
        for index, found in rows
    ]


def variants(count: int) -> list[dict[str, Any]]:
    means = [0.3 + index / 40 for index in range(count)]
    return [
        {
            "variant": f"{VARIANT} {mean}",
            "score": mean,
            "low": mean - 0.1,
            "high": mean + 0.1,
            "runs": [mean - 0.15, mean],
        }
        for mean in means
    ]


def surest(shift: float = 0.0, rows: int = 10) -> list[dict[str, Any]]:
    """Scores by coverage, as in metrics.json."""
    return [
        {
            "at_least": 0.9 - 0.06 * tenths,
            "clips": 12 * tenths,
            "coverage": tenths / rows,
            "accuracy": 0.95 - 0.04 * tenths - shift,
            "accuracy_interval": [0.85 - 0.04 * tenths - shift, 0.98 - 0.03 * tenths - shift] if tenths > 1 else None,
            "uar": 0.9 - 0.04 * tenths,
        }
        for tenths in range(rows, 0, -1)
    ]


ANSWERED = {"coverage": 0.68, "accuracy": 0.71}, "unsure below 0.49: 68 % answered, accuracy 0.710"
BOTH = ("male", "female")
FIGURES: dict[str, Callable[[str], Figure]] = {
    "confusion of 8": lambda title: confusion_figure(np.diag(range(90, 98)).tolist(), EMOTIONS, title),
    "confusion of 2": lambda title: confusion_figure([[1774, 1], [0, 0]], ["neutral", "surprised " * 3], title),
    "training": lambda title: training_figure(VALIDATED, title),
    "training of 1 epoch": lambda title: training_figure(ONE_EPOCH, title, 0.125),
    "training alone": lambda title: training_figure(HISTORY, title),
    "1 actor": lambda title: actors_figure(actors(1), title),
    "20 actors": lambda title: actors_figure(actors(20, gender=BOTH), title, 0.125),
    "91 actors": lambda title: actors_figure(actors(91, 1001), title, chance=0.167),
    "branches of 1 actor": lambda title: beside(1, title),
    "branches of 24 actors": lambda title: beside(24, title),
    "branches of 91 actors": lambda title: beside(91, title),
    "coverage": lambda title: coverage_figure({"gated": surest()}, title, 0.125, ANSWERED),
    "coverage of 1 clip": lambda title: coverage_figure({"gated": surest(rows=1)}, title),
    "coverage of 9": lambda title: coverage_figure({f"{VARIANT} {n}": surest(n / 50) for n in range(9)}, title, 0.1),
    "robustness": lambda title: robustness_figure(damaged(), 0.124, title),
    "robustness of sound": lambda title: robustness_figure(damaged(None, ("audio",)), None, title),
    "gate of 1": lambda title: gate_figure({"gated": damaged()}, title),
    "gate of 9": lambda title: gate_figure({f"{VARIANT} {run}": damaged(run / 20) for run in range(1, 10)}, title),
    "1 variant": lambda title: variants_figure(variants(1), title),
    "12 variants": lambda title: variants_figure(variants(12), title, 0.124),
    "importance": lambda title: importance_figure({VARIANT: 0.6, "learning_rate": 0.3, "x": 0}, title),
    "1 trial": lambda title: trials_figure([0.3], title),
    "no trial": lambda title: trials_figure([None, None], title),
    "trials": lambda title: trials_figure([None, 0.3, math.nan, 0.5, 0.4], title),
}


def visible(figure: Figure) -> list[Text]:
    """Every text that can be read in a figure."""
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


@pytest.fixture(scope="module", params=[(name, title) for name in FIGURES for title in TITLES], ids=" / ".join)
def drawn(request: pytest.FixtureRequest) -> tuple[Figure, FigureCanvasAgg, str]:
    """Each figure with a short and a long title, laid out."""
    name, title = request.param
    figure = FIGURES[name](TITLES[title])
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(120)
    canvas.draw()
    return figure, canvas, TITLES[title]


def test_nothing_is_cut_off(drawn: tuple[Figure, FigureCanvasAgg, str]):
    figure, canvas, _ = drawn
    box = figure.get_tightbbox(canvas.get_renderer())
    width, height = figure.get_size_inches()
    assert 0 <= box.x0 and box.x1 <= width
    assert 0 <= box.y0 and box.y1 <= height


def test_titles_are_whole_and_alone(drawn: tuple[Figure, FigureCanvasAgg, str]):
    figure, canvas, title = drawn
    assert figure.get_suptitle().split() == title.split()
    heading = next(text for text in visible(figure) if text.get_text() == figure.get_suptitle())
    place = heading.get_window_extent(canvas.get_renderer())
    assert not any(place.overlaps(axes.get_tightbbox(canvas.get_renderer())) for axes in figure.axes)


def test_labels_of_an_axis_do_not_touch(drawn: tuple[Figure, FigureCanvasAgg, str]):
    figure, canvas, _ = drawn
    for axes in figure.axes:
        for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
            # Slanted labels stand in boxes that overlap where the words do not.
            boxes = [x.get_window_extent(canvas.get_renderer()) for x in labels if x.get_rotation() in (0, 90)]
            assert not any(first.overlaps(second) for first, second in zip(boxes, boxes[1:], strict=False))


def test_axes_keep_their_room(drawn: tuple[Figure, FigureCanvasAgg, str]):
    figure, _, _ = drawn
    for axes in figure.axes[:1]:
        box = axes.get_position()
        assert box.width * figure.get_figwidth() > 1.2
        assert box.height * figure.get_figheight() > 0.3


def test_legend_and_axes_do_not_touch(drawn: tuple[Figure, FigureCanvasAgg, str]):
    figure, canvas, _ = drawn
    for legend in figure.legends:
        place = legend.get_window_extent(canvas.get_renderer())
        assert not any(place.overlaps(axes.get_tightbbox(canvas.get_renderer())) for axes in figure.axes)


def test_not_blank(drawn: tuple[Figure, FigureCanvasAgg, str]):
    _, canvas, _ = drawn
    picture = np.asarray(canvas.buffer_rgba())[..., :3]
    assert (picture != 255).any(-1).mean() > 0.02
    assert len(np.unique(picture.astype(int) @ (1 << 16, 1 << 8, 1))) > 10


def heights(figure: Figure, label: str, panel: int = 0) -> list[float]:
    line = next(line for line in figure.axes[panel].get_lines() if str(line.get_label()).startswith(label))
    return [float(value) for value in np.asarray(line.get_ydata())]


def test_actors_are_sorted_by_number_with_their_mean():
    figure = actors_figure({"10": {"uar": 0.8}, "2": {"uar": 0.4}}, "title")
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["2", "10"]
    assert heights(figure, "actor") == [0.4, 0.8]
    assert heights(figure, "mean of the actors: 0.600") == pytest.approx([0.6, 0.6])


def test_branches_stand_beside_each_other_with_their_means():
    audio, video, both = {"10": 0.8, "2": 0.4}, {"2": 0.5, "10": 0.5}, {"2": 0.6, "10": 1.0}
    figure = branches_figure({"audio": audio, "video": video}, both, "gated", "title")
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["2", "10", "mean"]
    for label, expected in (
        ("audio, mean of the actors: 0.600", [0.4, 0.8, 0.6]),
        ("video, mean of the actors: 0.500", [0.5, 0.5, 0.5]),
        ("gated, mean of the actors: 0.800", [0.6, 1.0, 0.8]),
    ):
        assert heights(figure, label) == pytest.approx(expected)


def test_gate_has_its_interval_over_actors():
    gates = {str(actor): 0.3 + actor / 100 for actor in range(20)}
    rows = [row | {"gate": 0.395, "gate_by_actor": gates} for row in damaged()]
    for index, bars in ((0, 4), (1, 3)):
        lines = [
            line
            for line in gate_figure({"gated": rows}, "title").axes[index].get_lines()
            if len(line.get_ydata()) == 2
        ]
        assert [tuple(line.get_ydata()) for line in lines] == [mean_interval(list(gates.values()))] * bars
    rows = [row | {"gate_by_actor": None} for row in rows]
    assert len(gate_figure({"gated": rows}, "title").axes[0].get_lines()) == 1


def test_coverage_line_goes_through_the_scores_and_the_mark_lies_where_it_answers():
    (axes,) = coverage_figure({"gated": surest()}, "title", 0.125, ANSWERED).axes
    line, mark, chance = axes.get_lines()
    assert line.get_xydata().tolist() == sorted([row["coverage"], row["accuracy"]] for row in surest())
    assert (mark.get_xydata().tolist(), mark.get_label()) == ([[0.68, 0.71]], ANSWERED[1])
    assert set(chance.get_ydata()) == {0.125}
    (band,) = axes.collections
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices.round(9)}
    bounds = [(row["coverage"], end) for row in surest() for end in row["accuracy_interval"] or ()]
    assert corners == {tuple(np.round(bound, 9)) for bound in bounds}


def test_coverage_of_a_model_that_answers_nothing_has_no_mark():
    nothing = {"coverage": 0.0, "accuracy": None}, "unsure below 0.99: 0 % answered"
    (axes,) = coverage_figure({"gated": surest(), "late": surest(0.1)}, "title", None, nothing).axes
    assert [line.get_label() for line in axes.get_lines()] == ["gated", "late"]
    assert not axes.collections, "bands of several would hide each other"


def test_robustness_bars_are_the_scores():
    table = damaged()
    figure = robustness_figure(table, 0.124, "title")
    assert [bar.get_width() for bar in figure.axes[0].patches] == [row["macro_f1"] for row in table]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [row["condition"] for row in table]


def test_a_class_without_clips_has_no_row_and_nothing_is_written_as_0():
    matrix = [[3, 1, 0, 0], [0, 0, 0, 0], [0, 2, 5, 0], [0, 0, 0, 0]]
    axes = confusion_figure(matrix, ["neutral", "calm", "happy", "contempt"], "title").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["neutral", "happy"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["neutral", "calm", "happy"]
    assert {text.get_position(): text.get_text() for text in axes.texts} == {
        (0, 0): "3",
        (1, 0): "1",
        (1, 1): "2",
        (2, 1): "5",
    }


def shown_ticks(figure: Figure, panel: int = 0) -> list[float]:
    axes = figure.axes[panel]
    low, high = axes.get_xlim()
    return [tick for tick in axes.get_xticks() if low <= tick <= high]


def test_one_epoch_and_one_trial_have_whole_ticks():
    figure = training_figure(ONE_EPOCH, "title", 0.125)
    assert shown_ticks(figure) == shown_ticks(figure, 1) == [0, 1]
    assert shown_ticks(trials_figure([0.3], "title")) == [0]
    assert heights(figure, "UAR by chance: 0.125", panel=1) == [0.125, 0.125]


@pytest.mark.parametrize("losses", [(2.2, 2.1), (math.nan, 0.4), (math.nan, math.nan), (0.0, 0.0)])
def test_the_highest_loss_lies_inside(losses: tuple[float, float]):
    history = [{"epoch": epoch, "loss": loss} for epoch, loss in enumerate(losses, start=1)]
    low, high = training_figure(history, "title").axes[0].get_ylim()
    highest = max((loss for loss in losses if math.isfinite(loss)), default=0.0)
    assert low == 0 and high > 1.04 * highest and high - highest <= 1


def test_no_number_lies_on_a_bar_or_a_line():
    for score in (0.02, 0.11, 0.5, 1.0):
        axes = robustness_figure([{"condition": "undisturbed", "macro_f1": score}], 0.124, "title").axes[0]
        (number,) = axes.texts
        assert number.get_text() == f"{score:.3f}"
        assert number.xy[0] == axes.get_xlim()[1] == 1 and number.get_position()[0] > 0


def test_the_mean_of_one_actor_is_no_line():
    assert len(actors_figure(actors(1), "title").axes[0].get_lines()) == 1


def test_gate_lines_go_from_undisturbed_to_the_worst():
    gates = {row["condition"]: row["gate"] for row in damaged()}
    figure = gate_figure({"gated": damaged(), "audio": damaged(None)}, "title")
    noise = [gates[name] for name in ("audio and video", "noise 20 dB", "noise 10 dB", "noise 0 dB")]
    assert heights(figure, "gated") == noise
    black = [gates[name] for name in ("audio and video", "black frames 50 %", "black frames 100 %")]
    assert heights(figure, "gated", panel=1) == black
    assert [line.get_label() for line in figure.axes[0].get_lines()] == ["gated"]


def test_gate_of_action_units_is_drawn_against_their_noise():
    names = {"black frames 50 %": "noisy action units 10 dB", "black frames 100 %": "noisy action units 0 dB"}
    rows = [row | {"condition": names.get(row["condition"], row["condition"])} for row in damaged()]
    figure = gate_figure({"gated": rows}, "title")
    gates = {row["condition"]: row["gate"] for row in rows}
    assert [axes.get_xlabel() for axes in figure.axes][1:] == ["noise in the action units"]
    expected = [gates[name] for name in ("audio and video", "noisy action units 10 dB", "noisy action units 0 dB")]
    assert heights(figure, "gated", panel=1) == expected
    assert len(gate_figure({"units": rows, "frames": damaged()}, "title").axes) == 3


def test_gate_of_runs_without_one_is_refused():
    with pytest.raises(ValueError, match="none of the runs audio, video has one"):
        gate_figure({"audio": damaged(None), "video": []}, "title")


def test_best_trial_so_far_skips_those_that_failed():
    figure = trials_figure([None, 0.3, math.nan, 0.5, 0.4], "title")
    assert heights(figure, "best so far") == pytest.approx([math.nan, 0.3, 0.3, 0.5, 0.5], nan_ok=True)


def test_most_important_parameter_is_on_top():
    figure = importance_figure({"a": 0.1, "b": 0.9}, "title")
    top = min(figure.axes[0].get_yticklabels(), key=lambda label: -label.get_window_extent().y0)
    assert top.get_text() == "b"
    assert figure.axes[0].patches[0].get_width() == 0.9


def test_variant_without_interval_has_its_mean_and_runs():
    row = {"variant": "one", "score": 0.5, "low": None, "high": None, "runs": [0.5]}
    figure = variants_figure([row], "title")
    assert [line.get_label() for line in figure.axes[0].get_lines()] == ["all test clips", "a run"]


def test_saved_figure_opens_as_a_picture(tmp_path: Path):
    save_figure(confusion_figure([[3, 1], [0, 4]], ["neutral", "happy"], "title"), tmp_path / "plots" / "new.png")
    with Image.open(tmp_path / "plots" / "new.png") as picture:
        assert picture.format == "PNG" and min(picture.size) > 200


@pytest.mark.parametrize("leaky", [False, True])
def test_plots_of_a_run_are_those_it_has_numbers_for(tmp_path: Path, leaky: bool, monkeypatch: pytest.MonkeyPatch):
    titles, write_title = [], Figure.suptitle
    monkeypatch.setattr(
        Figure, "suptitle", lambda *given, **how: titles.append(given[1]) or write_title(*given, **how)
    )
    metrics = {
        "fusion": "gated",
        "corpus": "synthetic demo corpus",
        "leaky": leaky,
        "actors": {"test": [17, 18]},
        "clips": {"test": 120},
        "labels": ["neutral", "happy"],
        "test_confusion_matrix": [[3, 1], [0, 4]],
        "test_macro_f1": 0.87,
    }
    assert list(plots_of(metrics, [])) == ["plots/confusion_matrix.png"]
    metrics |= {"test_by_actor": actors(2, 17), "robustness": damaged(), "test_by_coverage": surest()}
    plots = plots_of(metrics, VALIDATED)
    names = ("confusion_matrix", "actors", "coverage", "robustness", "gate", "training_curves")
    assert list(plots) == [f"plots/{name}.png" for name in names]
    (tmp_path / "plots").mkdir()
    for name, draw in plots.items():
        draw(tmp_path / name)
        with Image.open(tmp_path / name) as picture:
            assert picture.format == "PNG" and min(picture.size) > 200
    assert len(titles) == len(names)
    words = "actors SEEN in training (leaky split)" if leaky else "unseen actors"
    assert all("synthetic demo corpus" in title and words in " ".join(title.split()) for title in titles)


def test_plots_that_nobody_looks_at_are_dots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Most runs of the tests leave theirs unpainted; were they painted after all, nobody would see but the clock."""
    leave_plots_unpainted(monkeypatch)
    save_figure(confusion_figure([[3, 1], [0, 4]], ["neutral", "happy"], "title"), tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.size == (1, 1)
