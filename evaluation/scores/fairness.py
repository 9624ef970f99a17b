"""Whether a model does as well for everyone, of the scores by gender and by actor.

Source: Derington et al. 2023, Testing Speech Emotion Recognition Machine Learning Models (arXiv:2312.06270), who test
correctness, fairness and robustness.
"""

import math
from collections.abc import Mapping
from typing import Any


def fairness(metrics: Mapping[str, Any]) -> dict[str, float]:
    """How far the UAR differs between people; what cannot be compared is left out.

    Args:
        metrics (`Mapping`): Content of metrics.json.

    Returns:
        `dict`: `gender_gap` and `actor_gap`: best less worst UAR (0..1).
    """
    groups = {"gender_gap": metrics.get("test_by_gender"), "actor_gap": metrics.get("test_by_actor")}
    found = {name: _uars_of(group or {}) for name, group in groups.items()}
    return {name: max(uars) - min(uars) for name, uars in found.items() if len(uars) > 1}


def _uars_of(groups: Mapping[str, Mapping[str, Any]]) -> list[float]:
    """UAR of the groups that have one."""
    found = [group.get("uar") for group in groups.values()]
    return [float(uar) for uar in found if uar is not None and not math.isnan(uar)]
