"""Names of the scores, and the fields of metrics.json that a table of predictions decides."""

from typing import Annotated, NotRequired, TypedDict

from emofusion.evaluation.field_notes import Note

TITLES = {"macro_f1": "macro-F1", "uar": "UAR", "accuracy": "accuracy", "weighted_f1": "weighted F1"}
"""The four scores, and what tables call them."""
SCORES = ("macro_f1", "uar", "accuracy")
"""Those that are shown where there is no room for all."""

_SHARE = "0 to 1"


class Scores(TypedDict):
    """The four scores of some clips."""

    macro_f1: Annotated[float, Note("mean F1 of the classes that occur", _SHARE)]
    weighted_f1: Annotated[float, Note("F1 of the classes, weighted by their clips", _SHARE)]
    uar: Annotated[float, Note("unweighted average recall: mean recall of the classes that occur", _SHARE)]
    accuracy: Annotated[float, Note("share of the clips that get the right class", _SHARE)]


class ClassScores(TypedDict):
    """Scores of one class."""

    precision: Annotated[float, Note("share of the clips with its name that belong to it", _SHARE)]
    recall: Annotated[float | None, Note("share of its clips that get its name; null without clips", _SHARE)]
    f1: Annotated[float | None, Note("harmonic mean of precision and recall; null without clips", _SHARE)]
    clips: Annotated[int, Note("how many test clips belong to it", "clips")]


class GroupScores(TypedDict):
    """Scores of one actor's or one gender's clips."""

    clips: Annotated[int, Note("how many test clips the group has", "clips")]
    uar: Annotated[float, Note("mean recall of the classes that occur in the group", _SHARE)]
    accuracy: Annotated[float, Note("share of the group's clips that get the right class", _SHARE)]
    gender: NotRequired[Annotated[str, Note("of actors: `female` or `male`")]]


class RobustnessRow(TypedDict):
    """Scores of the test clips under one condition."""

    condition: Annotated[str, Note("what was done to the clips; the first row is of undisturbed ones")]
    clips: Annotated[int, Note("clips that have what the condition takes away or damages", "clips")]
    macro_f1: Annotated[float, Note("as `test_macro_f1`", _SHARE)]
    uar: Annotated[float, Note("as `test_uar`", _SHARE)]
    accuracy: Annotated[float, Note("as `test_accuracy`", _SHARE)]
    unchanged: Annotated[float, Note("share of these clips with the same prediction as undisturbed", _SHARE)]
    gate: Annotated[float | None, Note("mean weight of the sound; null for a model without a gate", _SHARE)]


class Guesses(TypedDict):
    """What a model that has learnt nothing would score on the same clips."""

    chance_macro_f1: Annotated[float, Note("macro-F1 of guessing every class equally often", _SHARE)]
    chance_weighted_f1: Annotated[float, Note("weighted F1 of guessing every class equally often", _SHARE)]
    chance_uar: Annotated[float, Note("UAR of guessing every class equally often", _SHARE)]
    chance_accuracy: Annotated[float, Note("accuracy of guessing every class equally often", _SHARE)]
    majority_macro_f1: Annotated[float, Note("macro-F1 of always naming the most frequent class", _SHARE)]
    majority_weighted_f1: Annotated[float, Note("weighted F1 of always naming the most frequent class", _SHARE)]
    majority_uar: Annotated[float, Note("UAR of always naming the most frequent class", _SHARE)]
    majority_accuracy: Annotated[float, Note("accuracy of always naming the most frequent class", _SHARE)]


class IntervalFields(TypedDict):
    """How sure the scores are."""

    test_intervals: Annotated[
        dict[str, list[float] | None],
        Note("low and high end of the 95 % bootstrap interval by score; null where the test is of one unit", _SHARE),
    ]
    test_intervals_over: Annotated[str, Note("what the bootstrap drew: `actors`, or `clips` where nobody knows them")]
    test_intervals_units: Annotated[int, Note("how many of these there are", "actors or clips")]


class MergedFields(TypedDict, total=False):
    """What only classes with neutral and calm have."""

    test_merged_calm: Annotated[Scores, Note("scores with calm counted as neutral; absent unless both are classes")]


class GroupFields(TypedDict, total=False):
    """What only corpora have that tell who is in a clip."""

    test_by_gender: Annotated[dict[str, GroupScores], Note("scores by gender; absent where it is not known")]
    test_by_actor: Annotated[dict[str, GroupScores], Note("scores by actor; absent where nobody knows who it is")]


class OverallFields(TypedDict):
    """The scores over all test clips."""

    test_macro_f1: Annotated[float, Note("mean F1 of the classes that occur: the headline", _SHARE, needed=True)]
    test_weighted_f1: Annotated[float, Note("F1 of the classes, weighted by their clips", _SHARE)]
    test_uar: Annotated[float, Note("unweighted average recall: mean recall of the classes that occur", _SHARE)]
    test_accuracy: Annotated[float, Note("share of the clips that get the right class", _SHARE)]
    test_calibration_error: Annotated[float, Note("how far the probabilities are from what comes true", _SHARE)]
    test_confusion_matrix: Annotated[
        list[list[int]], Note("a row each true class, a column each predicted one, in the order of `labels`", "clips")
    ]


class ClassFields(TypedDict):
    """The scores class by class."""

    test_per_class: Annotated[dict[str, ClassScores], Note("scores by class")]


class ScoreFields(OverallFields, IntervalFields, ClassFields, MergedFields, GroupFields, Guesses):
    """Every field that the predictions decide, in the order of the file."""
