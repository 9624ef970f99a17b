"""Label sets: which emotions are told apart, and under which names."""

from collections.abc import Iterable
from dataclasses import dataclass

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
"""The eight RAVDESS emotions in code order: code 01 has id 0. The model's config, which travels, has them too."""

ALL_EMOTIONS = (*EMOTIONS, "contempt")
"""The emotions of every corpus: RAVDESS' in the order of their codes, then those that only other corpora have."""


@dataclass(frozen=True)
class LabelSet:
    """A mapping from emotions to classes.

    Attributes:
        name (`str`): What flags, cards and configs call it.
        mapping (`dict[str, str]`): Class of each emotion; an emotion that is not in it is left out.
    """

    name: str
    mapping: dict[str, str]

    @property
    def labels(self) -> list[str]:
        """Class names; their ids follow the RAVDESS code of the first emotion of each class, contempt comes last."""
        return list(dict.fromkeys(self.mapping[emotion] for emotion in ALL_EMOTIONS if emotion in self.mapping))

    @property
    def id2label(self) -> dict[int, str]:
        """Class names by id, as a model config has them."""
        return dict(enumerate(self.labels))

    def ids(self, emotions: Iterable[str]) -> list[int | None]:
        """The class of each emotion; None for one that is left out."""
        known = {label: number for number, label in self.id2label.items()}
        return [known.get(self.mapping.get(emotion, "")) for emotion in emotions]


OWN = "own"
"""What flags call the classes that the labels of own clips are; configs and metrics.json have no name for them."""


@dataclass(frozen=True)
class OwnLabels(LabelSet):
    """Classes of somebody's own: each label is one, and their order is that of the mapping."""

    @property
    def labels(self) -> list[str]:
        """Class names in the order of their ids."""
        return list(self.mapping)


def own_labels(labels: Iterable[str], in_order: bool = False) -> OwnLabels:
    """The classes that labels are: emotions that we know in their order, then others by name; or as they come."""
    names = list(dict.fromkeys(labels))
    if not in_order:
        names = [*(name for name in ALL_EMOTIONS if name in names), *sorted(set(names) - set(ALL_EMOTIONS))]
    return OwnLabels(OWN, {name: name for name in names})


_FOUR = {emotion: emotion for emotion in ("neutral", "happy", "sad", "angry")}
_SEVEN = {emotion: emotion for emotion in EMOTIONS if emotion != "calm"}  # those of FER-2013

LABEL_SETS = {
    label_set.name: label_set
    for label_set in (
        LabelSet("emotions8", {emotion: emotion for emotion in EMOTIONS}),
        LabelSet("emotions4", _FOUR),
        LabelSet("emotions4_calm", _FOUR | {"calm": "neutral"}),
        LabelSet(
            "groups4",
            {"neutral": "neutral", "calm": "neutral", "happy": "happy", "surprised": "surprised"}
            | dict.fromkeys(("sad", "angry", "fearful", "disgust"), "negative"),
        ),
        LabelSet("emotions7", _SEVEN),
        LabelSet("emotions7_calm", _SEVEN | {"calm": "neutral"}),
        LabelSet("affectnet8", _SEVEN | {"contempt": "contempt"}),
    )
}


def label_set(name: str) -> LabelSet:
    """Look up a label set.

    Raises:
        ValueError: Unknown name; the message lists the choices.
    """
    if name not in LABEL_SETS:
        raise ValueError(f"label_set: unknown {name!r}; the choices are {', '.join(LABEL_SETS)}")
    return LABEL_SETS[name]
