"""The scores of a run for people, as it prints them at its end."""

from collections.abc import Mapping
from typing import Any

from emofusion.data.protocols import numbers
from emofusion.evaluation.scores.score_fields import SCORES, TITLES

from .branch_words import branch_lines
from .calibration_words import calibration_words, unsure_words
from .subject import (
    blind_spot,
    classes_of,
    interval_units,
    known_actors,
    part_of_protocol,
    pictures_of,
    tested_on,
)


def summary(metrics: Mapping[str, Any]) -> str:
    """The scores for people, with chance beside each; the first line names the corpus for all of them.

    Behind those of a fusion stand those of its branches, where it has any.
    """
    if known_actors(metrics):
        lines = [
            f"{metrics['fusion']}: {metrics['clips']['test']} clips of {tested_on(metrics)} "
            f"{numbers(metrics['actors']['test'])} ({metrics['corpus']}, "
            f"{part_of_protocol(metrics)}, {classes_of(metrics)})"
        ]
    else:
        silent = "" if metrics["fusion"] == "video" or metrics.get("own_clips") else ", without sound"
        lines = [f"{metrics['fusion']}: {pictures_of(metrics)}{silent} ({metrics['corpus']}, {classes_of(metrics)})"]
    lines += [f"  {note}" for note in [blind_spot(metrics)] if note]
    for name in SCORES:
        score, chance = metrics[f"test_{name}"], metrics[f"chance_{name}"]
        lines.append(f"  {TITLES[name]:9} {score:.3f}{_interval(metrics, name)}  (chance {chance:.3f})")
    if calibrated := calibration_words(metrics):
        lines.append(f"  calibration error {metrics['test_calibration_error']:.3f}, {calibrated}")
    if unsure := unsure_words(metrics):
        lines.append(f"  it {unsure}")
    return "\n".join([*lines, *(f"  {line}" for line in branch_lines(metrics))])


def _interval(metrics: Mapping[str, Any], name: str) -> str:
    """The 95 % interval of a score and what it is over; nothing where there is none."""
    ends = (metrics.get("test_intervals") or {}).get(name)
    if not ends:
        return ""
    return f"  95 % {ends[0]:.3f} to {ends[1]:.3f} over {interval_units(metrics)}"
