"""What an answer looks like, for the OpenAPI page. The values are those of the pipeline."""

from typing import NotRequired

from typing_extensions import TypedDict  # pydantic takes that of typing from Python 3.12 on


class Window(TypedDict):
    """The answer about one window of a timeline; `start` and `end` in seconds, the rest as of [`Answer`]."""

    start: float
    end: float
    label: str
    score: float
    scores: dict[str, float]
    gate: float | None
    modalities: list[str]


class Answer(TypedDict):
    """The answer about a clip, as of [`EmoFusionPipeline.__call__`].

    Attributes:
        label (`str`): A class, or `"unsure"`.
        score (`float`): Probability of the likeliest class.
        scores (`dict`): Probability of each class.
        modalities (`list`): What was read: `"audio"`, `"video"`.
        gate (`float`, *optional*): Weight of the sound, 0 to 1.
        window (`list`): Seconds that the answer is about.
        duration (`float`, *optional*): Seconds of the clip; None for a still picture.
        notes (`list`): What was odd about it.
        timeline (`list`): Of each window, if asked for.
    """

    label: str
    score: float
    scores: dict[str, float]
    modalities: list[str]
    gate: float | None
    window: list[float]
    duration: float | None
    notes: list[str]
    timeline: NotRequired[list[Window]]
