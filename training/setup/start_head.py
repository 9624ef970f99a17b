"""A fusion head that begins as what its branches know: `--start_head`.

Whatever the fusion, its first answer is made of the logits of both branches. A clip that lacks a modality gets the
other branch's own answer; of `concat` half its logits, and half the bias of the missing branch. Training starts from
there, in place of a head that would have to learn again what each branch has learnt already.

Source: function-preserving starts, Chen et al. 2016, Net2Net (arXiv:1511.05641).
"""

from collections.abc import Callable, Mapping

import torch
from torch import nn

from emofusion.modeling import EmoFusionModel
from emofusion.modeling.fusion_emofusion import ConcatHead, CrossAttentionHead, GatedHead, LateHead
from emofusion.training.command_line.arguments import ModelArguments
from emofusion.training.errors import ArgumentError

from .encoder_weights import MODALITIES, branch_config, branch_model, is_torchvision

Classifiers = Mapping[str, nn.Linear]
"""By modality: the classifier `[classes, embedding size]` of the model that was trained on it alone."""


def start_head(model: EmoFusionModel, model_args: ModelArguments) -> None:
    """Give the head of a fusion its first weights from the branches that the flags name.

    Args:
        model (`EmoFusionModel`): Changed in place; its encoders are those of the branches already.
        model_args (`ModelArguments`): With `audio_encoder_weights` and `video_encoder_weights`.

    Raises:
        ArgumentError: A branch is missing, tells other classes apart, or the head is too small to hold both answers.
    """
    classifiers = {}
    for modality in MODALITIES:
        branch = branch_model(modality, str(getattr(model_args, f"{modality}_encoder_weights")))
        if branch.config.id2label != model.config.id2label:
            raise ArgumentError(
                f"--start_head: the {modality} branch tells apart {', '.join(branch.config.label2id)}, and this model "
                f"{', '.join(model.config.label2id)}; train it with the same --label_set"
            )
        classifiers[modality] = branch.head.classifier
    with torch.no_grad():
        STARTS[model.config.fusion](model.head, classifiers)


def check_start_head(model_args: ModelArguments, fusion: str) -> None:
    """Refuse a start from branches that are not named, or that the model has no use for; nothing is read.

    Raises:
        ArgumentError: naming the flag.
    """
    if not model_args.start_head:
        return
    if fusion not in STARTS:
        raise ArgumentError(
            f"--start_head: a model with fusion={fusion!r} has one branch; take one of {', '.join(STARTS)}"
        )
    for modality in MODALITIES:
        source = getattr(model_args, f"{modality}_encoder_weights")
        if source is None:
            raise ArgumentError(
                f"--start_head without --{modality}_encoder_weights: name the checkpoint of that branch"
            )
        has_head = not is_torchvision(source, modality)
        found = branch_config(source, modality).fusion if has_head else "weights without a head"
        if found != modality:
            raise ArgumentError(
                f"--start_head: --{modality}_encoder_weights {source}: expected a model with fusion={modality!r}, "
                f"whose classifier the head begins with, found {found}"
            )


def _start_late(head: LateHead, classifiers: Classifiers) -> None:
    for modality in MODALITIES:
        getattr(head, f"{modality}_classifier").load_state_dict(classifiers[modality].state_dict())


def _start_gated(head: GatedHead, classifiers: Classifiers) -> None:
    """Hidden units hold each logit as it is and negated, for ReLU cuts one of the two off: together they are it."""
    classes = head.classifier.out_features
    _check_room("hidden_size", head.classifier.in_features, 2 * classes)
    for modality in MODALITIES:
        _put_signed(getattr(head, f"{modality}_projection"), classifiers[modality], 0)
    _read_signed(head.classifier, [0], 1.0)


def _start_concat(head: ConcatHead, classifiers: Classifiers) -> None:
    """The mean of both branches' logits."""
    classes = head.classifier.out_features
    _check_room("concat_hidden_size", head.classifier.in_features, 4 * classes)
    sizes = [classifiers[modality].in_features for modality in MODALITIES]
    columns = dict(zip(MODALITIES, ((0, sizes[0]), (sizes[0], sum(sizes))), strict=True))
    for index, modality in enumerate(MODALITIES):
        first, last = columns[modality]
        rows = slice(2 * index * classes, 2 * (index + 1) * classes)
        head.hidden.weight[rows] = 0.0
        _put_signed(head.hidden, classifiers[modality], 2 * index * classes, slice(first, last))
    _read_signed(head.classifier, [0, 2 * classes], 0.5)


def _start_xattn(head: CrossAttentionHead, classifiers: Classifiers) -> None:
    """The tokens hold the logits; attention and feed-forward add nothing to them yet."""
    classes = head.classifier.out_features
    _check_room("hidden_size", head.classifier.in_features, classes)
    for modality in MODALITIES:
        projection = getattr(head, f"{modality}_projection")
        projection.weight[:classes] = classifiers[modality].weight
        projection.bias[:classes] = classifiers[modality].bias
        block = getattr(head, f"{modality}_block")
        for last in (block.attention.out_proj, block.feed_forward[-1]):
            last.weight.zero_()
            last.bias.zero_()
    head.classifier.weight.zero_()
    head.classifier.bias.zero_()
    head.classifier.weight[:, :classes] = torch.eye(classes)


def _put_signed(layer: nn.Linear, classifier: nn.Linear, first: int, columns: slice = slice(None)) -> None:
    """Let the units of a layer from `first` on be the logits of a classifier, and behind them the negated ones."""
    classes = classifier.out_features
    for sign, start in ((1.0, first), (-1.0, first + classes)):
        layer.weight[start : start + classes, columns] = sign * classifier.weight
        layer.bias[start : start + classes] = sign * classifier.bias


def _read_signed(classifier: nn.Linear, firsts: list[int], share: float) -> None:
    """Let a classifier add up what `_put_signed` put there, each with its share, and nothing else."""
    classes = classifier.out_features
    classifier.weight.zero_()
    classifier.bias.zero_()
    for first in firsts:
        classifier.weight[:, first : first + classes] = share * torch.eye(classes)
        classifier.weight[:, first + classes : first + 2 * classes] = -share * torch.eye(classes)


def _check_room(name: str, units: int, needed: int) -> None:
    if units < needed:
        raise ArgumentError(f"--start_head: {name} is {units}, and the answers of both branches need {needed} units")


STARTS: dict[str, Callable[..., None]] = {
    "late": _start_late,
    "gated": _start_gated,
    "concat": _start_concat,
    "xattn": _start_xattn,
}
"""How each fusion begins."""
