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


class Answered(TypedDict):
    """Scores of the clips that a model answers; of the others it is unsure."""

    clips: Annotated[int, Note("how many clips it answers", "clips")]
    coverage: Annotated[float, Note("share of all clips that these are", _SHARE)]
    accuracy: Annotated[float | None, Note("share of the answers that are right; null where there is none", _SHARE)]
    accuracy_interval: Annotated[
        list[float] | None, Note("its 95 % bootstrap interval; null where it answers clips of one unit alone", _SHARE)
    ]
    uar: Annotated[
        float | None, Note("mean recall of the classes that occur among these clips; null where there is none", _SHARE)
    ]


class CoverageRow(Answered):
    """Scores of the clips that a model is surest of."""

    at_least: Annotated[float, Note("probability of the named class from which on clips are answered", _SHARE)]


class RobustnessRow(TypedDict):
    """Scores of the test clips under one condition."""

    condition: Annotated[str, Note("what was done to the clips; the first row is of undisturbed ones")]
    clips: Annotated[int, Note("clips that have what the condition takes away or damages", "clips")]
    macro_f1: Annotated[float, Note("as `test_macro_f1`", _SHARE)]
    uar: Annotated[float, Note("as `test_uar`", _SHARE)]
    accuracy: Annotated[float, Note("as `test_accuracy`", _SHARE)]
    unchanged: Annotated[float, Note("share of these clips with the same prediction as undisturbed", _SHARE)]
    gate: Annotated[float | None, Note("mean weight of the sound; null for a model without a gate", _SHARE)]
    gate_by_actor: Annotated[
        dict[str, float] | None, Note("the same by actor; null without a gate, or where nobody knows actors", _SHARE)
    ]


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


class SelectiveFields(TypedDict):
    """How often the model is right where it may be unsure."""

    test_by_coverage: Annotated[
        list[CoverageRow],
        Note("the risk-coverage curve: all clips, the nine tenths that the model is surest of, down to one tenth"),
    ]
    test_risk_coverage_area: Annotated[
        float, Note("area under it: share of wrong answers among the surest clips, a mean over every number of them; "
                    "0 is best", _SHARE)
    ]  # fmt: skip
    test_answered: NotRequired[
        Annotated[
            Answered,
            Note("scores of the clips that the model answers, by `unsure_below`; absent of older predictions"),
        ]
    ]


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


class BranchScores(TypedDict):
    """A branch by itself, as it was trained and scored before the fusion, on the same test clips."""

    folder: NotRequired[
        Annotated[str, Note("its output folder, told from that of the fusion; absent where several runs are pooled")]
    ]
    macro_f1: Annotated[float, Note("as `test_macro_f1`", _SHARE)]
    weighted_f1: Annotated[float, Note("as `test_weighted_f1`", _SHARE)]
    uar: Annotated[float, Note("as `test_uar`", _SHARE)]
    accuracy: Annotated[float, Note("as `test_accuracy`", _SHARE)]
    calibration_error: Annotated[float, Note("as `test_calibration_error`", _SHARE)]
    uar_by_actor: Annotated[dict[str, float], Note("UAR by test actor", _SHARE)]
    epochs: Annotated[float | None, Note("passes over the training clips; null where nothing was trained", "epochs")]
    parameters: Annotated[int, Note("how many numbers the branch has learnt", "parameters")]
    kept: Annotated[
        float | None,
        Note("UAR of the fusion that is given this modality alone, over that of the branch: 1 where the other one may "
             "be missing at no cost; null where it was not measured on the same clips", "ratio"),
    ]  # fmt: skip


class Difference(TypedDict):
    """How far the fusion is ahead of a branch in one score. Every test actor is compared with himself or herself."""

    mean: Annotated[float, Note("score of the fusion less that of the branch, mean of the actors", "-1 to 1")]
    low: Annotated[float | None, Note("low end of its 95 % bootstrap interval over actors; null with one", "-1 to 1")]
    high: Annotated[float | None, Note("high end of it", "-1 to 1")]
    p_value: Annotated[float, Note("two-sided, of a sign-flip test over actors; not adjusted for others", _SHARE)]
    units: Annotated[int, Note("how many actors", "actors")]


class Gain(TypedDict):
    """How far the fusion is ahead of one branch."""

    uar: Annotated[Difference, Note("in UAR by actor")]
    macro_f1: Annotated[Difference, Note("in macro-F1 by actor")]


class FusionGain(TypedDict):
    """Whether the fusion is better than its branches."""

    validation_choice: Annotated[
        str | None, Note("the branch that did better on validation actors; null where they scored neither")
    ]
    validation_score: Annotated[
        str | None, Note("by which score: the first that both branches have, UAR before others")
    ]
    test_choice: Annotated[str, Note("the branch with the higher test UAR: the harder reference, chosen in hindsight")]
    over: Annotated[dict[str, Gain], Note("how far the fusion is ahead, by branch")]


class BranchFields(TypedDict, total=False):
    """What only a fusion has whose branches were trained by themselves before."""

    branches: Annotated[dict[str, BranchScores], Note("`audio` and `video` by themselves, on the same test clips")]
    fusion_gain: Annotated[FusionGain, Note("how far the fusion is ahead of them")]


class ScoreFields(OverallFields, IntervalFields, SelectiveFields, ClassFields, MergedFields, GroupFields, Guesses):
    """Every field that the predictions decide, in the order of the file."""
