"""What the weights of a model have seen in training, sealed to them: scores on anybody else are of unseen actors."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from .configuration_emofusion import EmoFusionConfig

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""In which a seal is taken. Weights that equal the rounded ones hold nothing that these did not hold: a copy in half
precision is recognised, and another training is not, however small its steps."""

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Seen:
    """What weights have seen in training, in the last run and in those before.

    Attributes:
        actors (`frozenset[int]`): Actors that they were trained on or chosen by, as far as is known.
        modalities (`frozenset[str]`): What training clips had and the model read: `"audio"`, `"video"`.
        complete (`bool`): Whether this is all; false where nobody knows.
    """

    actors: frozenset[int] = frozenset()
    modalities: frozenset[str] = frozenset()
    complete: bool = True

    @property
    def never_trained(self) -> bool:
        """Whether the weights are known to be as they were drawn."""
        return self.complete and not self.modalities and not self.actors

    @property
    def known_modalities(self) -> list[str] | None:
        """What the training clips had; empty where nothing was trained, None where nobody knows."""
        return sorted(self.modalities) if self.complete else None

    def without(self, read: Iterable[str]) -> list[str]:
        """Those of the modalities that a trained model reads and that no clip of its training had."""
        return [name for name in read if name not in self.modalities] if self.complete and self.modalities else []


NEVER_TRAINED = Seen()
NOBODY_KNOWS = Seen(complete=False)


def together(parts: Iterable[Seen]) -> Seen:
    """What weights have seen that come from all of these."""
    parts = list(parts)
    return Seen(
        frozenset().union(*(part.actors for part in parts)),
        frozenset().union(*(part.modalities for part in parts)),
        all(part.complete for part in parts),
    )


@dataclass(frozen=True)
class SealedSeen:
    """A statement and its seal: a hash for each of `PRECISIONS`."""

    seen: Seen
    seal: Mapping[str, str]

    def of(self, weights: Weights) -> "SealedSeen | None":
        """The statement on these weights; None where they are others than those that it was made on.

        Of weights in half precision the seal is a new one: they may be rounded again.
        """
        if not can_be_checked(weights):
            return None
        for name, dtype in PRECISIONS.items():
            fits = _loses_nothing(weights, dtype) and _hash(weights, self.seen, dtype) == self.seal.get(name)
            if fits:
                return self if name == "float32" else seal(weights, self.seen)
        return None


def seal(weights: Weights, seen: Seen) -> SealedSeen:
    """Bind the statement to the weights; for 22 million of them this takes about 0.3 s on one core."""
    return SealedSeen(seen, {name: _hash(weights, seen, dtype) for name, dtype in PRECISIONS.items()})


def new_weights(weights: Weights) -> SealedSeen | None:
    """The statement on weights that were just drawn; None where nothing was, as on the device `meta`."""
    return seal(weights, NEVER_TRAINED) if can_be_checked(weights) else None


def can_be_checked(weights: Weights) -> bool:
    """Whether all weights are there as plain numbers; those that are quantised, or offloaded to a disk, are not."""
    return all(
        isinstance(tensor, torch.Tensor) and type(tensor.detach()) is torch.Tensor and not tensor.is_meta
        for tensor in weights.values()
    )


def written_in(config: EmoFusionConfig) -> SealedSeen | None:
    """What a config says of the weights it came with; None where it says nothing, or without a seal."""
    if config.training_actors is None or not config.weights_seal:
        return None
    seen = Seen(
        frozenset(config.training_actors),
        frozenset(config.trained_modalities or ()),
        config.training_actors_complete,
    )
    return SealedSeen(seen, {name: value for name, value in config.weights_seal.items() if name in PRECISIONS})


def write_into(config: EmoFusionConfig, sealed: SealedSeen | None) -> None:
    """Let a config say this of its weights; None is that nobody knows."""
    seen = sealed.seen if sealed is not None else None
    config.training_actors = sorted(seen.actors) if seen is not None else None
    config.training_actors_complete = seen is not None and seen.complete
    config.trained_modalities = sorted(seen.modalities) if seen is not None else None
    config.weights_seal = dict(sealed.seal) if sealed is not None else None


def why_unknown(
    config: EmoFusionConfig, claimed: SealedSeen | None, sealed: SealedSeen | None, weights: Weights
) -> str:
    """Why nobody knows what the weights of a checkpoint have seen."""
    if sealed is not None:
        return "its training began with weights that do not say"
    if claimed is not None and not can_be_checked(weights):
        return "its weights cannot be checked in this form (offloaded, or quantised); load them whole to know"
    if claimed is not None:
        return "its weights changed after the training that its config.json speaks of"
    if config.training_actors is not None:
        return "its config.json names actors, but not for which weights (weights_seal); train it again to know"
    return "it does not say"


def _hash(weights: Weights, seen: Seen, dtype: torch.dtype) -> str:
    content = hashlib.sha256(repr((sorted(seen.actors), sorted(seen.modalities), seen.complete)).encode())
    for name in sorted(weights):
        tensor = weights[name].detach().cpu()
        content.update(f"{name} {list(tensor.shape)}".encode())
        if tensor.is_floating_point():
            tensor = tensor.to(dtype)
        content.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return content.hexdigest()[:32]


def _loses_nothing(weights: Weights, dtype: torch.dtype) -> bool:
    """Whether the weights are in this precision, or as they would be if they came from it."""
    return all(
        not tensor.is_floating_point()
        or tensor.dtype == dtype
        or torch.equal(tensor.to(dtype).to(tensor.dtype), tensor)
        for tensor in weights.values()
    )
