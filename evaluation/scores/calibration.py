"""Temperatures that make probabilities come true: fitted on the logits of validation clips."""

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax

TEMPERATURES = (0.1, 10.0)
"""Between which the temperature of a whole model is looked for."""
BRANCH_TEMPERATURES = (0.25, 4.0)
"""Between which that of one branch is, which a few clips decide together with its share."""
AUDIO_WEIGHTS = (0.05, 0.95)
"""Between which the share of the sound is: neither branch is silenced by a few clips."""


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature by which logits are divided so that the labels are most likely.

    One number for all classes: the order of the classes, and so every prediction, stays as it is.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks (arXiv:1706.04599).

    Args:
        logits (`np.ndarray` of shape `[clips, classes]`): As the model gives them with temperature 1.
        labels (`np.ndarray` of shape `[clips]`): True class ids.

    Returns:
        `float`: Within `TEMPERATURES`; above 1 where the model was too sure of itself.

    Raises:
        ValueError: There is no clip, or a logit is not finite.
    """
    logits, labels = _checked(logits, labels)
    # The likelihood has one peak in 1 / temperature, and so in its logarithm.
    found = minimize_scalar(
        lambda log: _surprise(log_softmax(logits / np.exp(log), axis=1), labels),
        bounds=np.log(TEMPERATURES),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))


def fit_late(
    audio_logits: np.ndarray, video_logits: np.ndarray, audio_there: np.ndarray, video_there: np.ndarray,
    labels: np.ndarray,
) -> tuple[float, float, float]:  # fmt: skip
    """Share of the sound and a temperature for each branch of late fusion, so that the labels are most likely.

    Where a clip has one modality its branch counts alone, so such a clip tells of that branch's temperature only.

    Source: the weighted sum rule of Kittler et al. 1998, On Combining Classifiers, with the temperatures of Guo et al.
    2017 (arXiv:1706.04599).

    Args:
        audio_logits (`np.ndarray` of shape `[clips, classes]`): Of the branch that hears.
        video_logits (`np.ndarray` of shape `[clips, classes]`): Of the branch that sees.
        audio_there (`np.ndarray` of shape `[clips]`): Which clips have sound.
        video_there (`np.ndarray` of shape `[clips]`): Which have a picture.
        labels (`np.ndarray` of shape `[clips]`): True class ids.

    Returns:
        `tuple[float, float, float]`: Share of the sound within `AUDIO_WEIGHTS`, temperature of the sound and of the
            picture within `BRANCH_TEMPERATURES`.

    Raises:
        ValueError: There is no clip, or a logit is not finite.
    """
    audio_logits, labels = _checked(audio_logits, labels)
    video_logits, _ = _checked(video_logits, labels)
    alone = audio_there != video_there

    def surprise(point: np.ndarray) -> float:
        weight, audio_log, video_log = point

        def part(logits: np.ndarray, log: float, share: float, there: np.ndarray) -> np.ndarray:
            log_share = np.where(alone, np.where(there, 0.0, -np.inf), np.log(share))
            return log_softmax(logits / np.exp(log), axis=1) + log_share[:, None]

        audio = part(audio_logits, audio_log, weight, audio_there)
        video = part(video_logits, video_log, 1 - weight, video_there)
        return _surprise(np.logaddexp(audio, video), labels)

    logs = tuple(np.log(BRANCH_TEMPERATURES))
    found = minimize(surprise, (0.5, 0.0, 0.0), method="L-BFGS-B", bounds=(AUDIO_WEIGHTS, logs, logs))
    weight, audio, video = found.x
    return float(weight), float(np.exp(audio)), float(np.exp(video))


def _checked(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels)
    if logits.ndim != 2 or not len(labels) or len(logits) != len(labels):
        raise ValueError(
            f"logits of shape {logits.shape} and labels of shape {labels.shape}: expected [clips, classes] and "
            "[clips], and at least one clip"
        )
    if not np.isfinite(logits).all():
        raise ValueError(f"the logits of {(~np.isfinite(logits).all(1)).sum()} of {len(logits)} clips are not finite")
    return logits, labels


def _surprise(log_probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean negative log-likelihood of the labels."""
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())
