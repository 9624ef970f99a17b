"""Fusion heads: from the tokens of both modalities to class logits, and what these cost.

A head sees tokens that are zero wherever a modality is missing, and masks that say so. Whatever it computes from the
missing side must not reach the logits.
"""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import nn

from .configuration_emofusion import EmoFusionConfig

DEFAULT_GATE_HIDDEN_SIZE = {"gated": 192, "xattn": 64}
"""Hidden units of the gate's MLP where the config leaves them open."""


@dataclass
class Modalities:
    """Both modalities of a batch as a head sees them.

    Attributes:
        audio (`torch.Tensor`): `[batch, steps, audio size]`, zero where missing.
        video (`torch.Tensor`): `[batch, frames, video size]`, zero where missing.
        audio_mask (`torch.Tensor`): bool `[batch]`, True where there is sound.
        video_mask (`torch.Tensor`): bool `[batch]`, True where there is a picture.
    """

    audio: torch.Tensor
    video: torch.Tensor
    audio_mask: torch.Tensor
    video_mask: torch.Tensor

    def alone(self, modality: str) -> "Modalities":
        """The same clips as if the other modality were missing everywhere."""
        if modality == "audio":
            return replace(self, video=torch.zeros_like(self.video), video_mask=torch.zeros_like(self.video_mask))
        return replace(self, audio=torch.zeros_like(self.audio), audio_mask=torch.zeros_like(self.audio_mask))


@dataclass
class HeadOutput:
    """What a head returns: logits `[batch, classes]`; where there are any, the gate `[batch]` and branch logits."""

    logits: torch.Tensor
    gate: torch.Tensor | None = None
    audio_logits: torch.Tensor | None = None
    video_logits: torch.Tensor | None = None


class SingleHead(nn.Module):
    """A linear classifier on one modality; the other one is ignored."""

    def __init__(self, config: EmoFusionConfig) -> None:
        super().__init__()
        self.modality = config.fusion
        size = config.audio_embedding_size if config.fusion == "audio" else config.video_embedding_size
        self.classifier = nn.Linear(size, config.num_labels)

    def forward(self, inputs: Modalities) -> HeadOutput:
        """Classify the embedding of the one modality."""
        tokens = inputs.audio if self.modality == "audio" else inputs.video
        return HeadOutput(self.classifier(tokens.mean(1)))


class LateHead(nn.Module):
    """Late fusion: the mean of both branches' probabilities; where one is missing, the other's alone.

    The mean is weighted by `late_audio_weight`, and either branch's logits are divided by its temperature first: with
    the defaults it is the plain mean, and training, whose loss is of the branches, goes by neither. The head's logits
    are the log of that mean, so softmax gives the mean back. Source: Kittler et al. 1998, On Combining Classifiers
    (the sum rule).
    """

    def __init__(self, config: EmoFusionConfig) -> None:
        super().__init__()
        self.config = config
        self.audio_classifier = nn.Linear(config.audio_embedding_size, config.num_labels)
        self.video_classifier = nn.Linear(config.video_embedding_size, config.num_labels)

    def forward(self, inputs: Modalities) -> HeadOutput:
        """Average the probabilities of the branches that are there."""
        audio_logits = self.audio_classifier(inputs.audio.mean(1)).float()
        video_logits = self.video_classifier(inputs.video.mean(1)).float()
        audio_there, video_there = branches_present(inputs.audio_mask, inputs.video_mask)
        weight, both = self.config.late_audio_weight, audio_there & video_there
        audio = _weighed(audio_logits / self.config.audio_temperature, weight, audio_there, both)
        video = _weighed(video_logits / self.config.video_temperature, 1 - weight, video_there, both)
        logits = torch.logsumexp(torch.stack([audio, video]), dim=0)
        return HeadOutput(logits, audio_logits=audio_logits, video_logits=video_logits)


def _weighed(logits: torch.Tensor, weight: float, there: torch.Tensor, both: torch.Tensor) -> torch.Tensor:
    """Logarithm of a branch's part in the mean `[batch, classes]`: its weight counts where both branches are there.

    The lowest number stands for the logarithm of nothing: minus infinity has no gradient.
    """
    least = torch.finfo(logits.dtype).min
    log_weight = math.log(weight) if weight else least
    log_probs = F.log_softmax(logits, dim=1) + torch.where(both, log_weight, 0.0).to(logits.dtype)[:, None]
    return torch.where(there[:, None], log_probs, least)


class ConcatHead(nn.Module):
    """Both embeddings side by side through a two-layer classifier (640-440-classes at full size)."""

    def __init__(self, config: EmoFusionConfig) -> None:
        super().__init__()
        self.hidden = nn.Linear(config.audio_embedding_size + config.video_embedding_size, config.concat_hidden_size)
        self.classifier = nn.Linear(config.concat_hidden_size, config.num_labels)

    def forward(self, inputs: Modalities) -> HeadOutput:
        """Classify the joined embeddings; a missing one is zero."""
        joined = torch.cat([inputs.audio.mean(1), inputs.video.mean(1)], dim=1)
        return HeadOutput(self.classifier(F.relu(self.hidden(joined))))


class GateOutput(nn.Linear):
    """Last layer of the gate: starts at weight 0 and bias `gate_bias` (set in [`EmoFusionModel._init_weights`]).

    A class of its own, because transformers asks to initialise only modules that hold parameters themselves.
    """


class Gate(nn.Module):
    """The weight of the audio, from both embeddings: `sigmoid(MLP([audio, video]))`.

    Every clip with both modalities starts at the same weight, the sigmoid of `gate_bias`. A clip that lacks one gets
    exactly 0 or 1.

    Source: Arevalo et al. 2017, Gated Multimodal Units (arXiv:1702.01992).
    """

    def __init__(self, config: EmoFusionConfig) -> None:
        super().__init__()
        size = 2 * config.hidden_size
        if config.gate == "mlp":
            hidden_size = config.gate_hidden_size or DEFAULT_GATE_HIDDEN_SIZE[config.fusion]
            self.hidden: nn.Module = nn.Sequential(
                nn.Linear(size, hidden_size), nn.ReLU(), nn.Dropout(config.gate_dropout)
            )
            self.output = GateOutput(hidden_size, 1)
        else:
            self.hidden = nn.Identity()
            self.output = GateOutput(size, 1)

    def forward(
        self, audio: torch.Tensor, video: torch.Tensor, audio_mask: torch.Tensor, video_mask: torch.Tensor
    ) -> torch.Tensor:
        """Weight of the audio `[batch]` from embeddings `[batch, hidden]`, 0..1."""
        gate = torch.sigmoid(self.output(self.hidden(torch.cat([audio, video], dim=1)))).squeeze(1)
        return torch.where(audio_mask & video_mask, gate, audio_mask.to(gate.dtype))


def fuse(gate: torch.Tensor, audio: torch.Tensor, video: torch.Tensor) -> torch.Tensor:
    """`gate * audio + (1 - gate) * video` for embeddings `[batch, hidden]`."""
    weight = gate.unsqueeze(1)
    return weight * audio + (1 - weight) * video


class GatedHead(nn.Module):
    """Both embeddings projected to `hidden_size`, mixed by the gate, classified."""

    def __init__(self, config: EmoFusionConfig) -> None:
        super().__init__()
        self.audio_projection = nn.Linear(config.audio_embedding_size, config.hidden_size)
        self.video_projection = nn.Linear(config.video_embedding_size, config.hidden_size)
        self.gate = Gate(config)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)

    def forward(self, inputs: Modalities) -> HeadOutput:
        """Mix, then classify."""
        audio = F.relu(self.audio_projection(inputs.audio.mean(1)))
        video = F.relu(self.video_projection(inputs.video.mean(1)))
        gate = self.gate(audio, video, inputs.audio_mask, inputs.video_mask)
        return HeadOutput(self.classifier(fuse(gate, audio, video)), gate=gate)


class CrossAttentionBlock(nn.Module):
    """One pre-norm transformer block in which the tokens of one modality look at those of the other.

    The tokens themselves are never normalised: where the other side is missing, or says nothing, they pass as they
    are.

    Source: Tsai et al. 2019, Multimodal Transformer (arXiv:1906.00295).
    """

    def __init__(self, config: EmoFusionConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.attention_input_norm = nn.LayerNorm(size)
        self.attention = nn.MultiheadAttention(size, config.num_attention_heads, batch_first=True)
        self.feed_forward_input_norm = nn.LayerNorm(size)
        self.feed_forward = nn.Sequential(nn.Linear(size, 4 * size), nn.ReLU(), nn.Linear(4 * size, size))

    def forward(self, tokens: torch.Tensor, other: torch.Tensor, other_mask: torch.Tensor) -> torch.Tensor:
        """Let `tokens [batch, n, hidden]` look at `other [batch, m, hidden]` where `other_mask [batch]` is True.

        A missing side is not masked key by key, which would leave a softmax over nothing: what was seen there is
        dropped as a whole instead.
        """
        keys = self.attention_input_norm(other)
        seen, _ = self.attention(self.attention_input_norm(tokens), keys, keys, need_weights=False)
        tokens = tokens + torch.where(other_mask[:, None, None], seen, 0.0)
        return tokens + self.feed_forward(self.feed_forward_input_norm(tokens))


class CrossAttentionHead(nn.Module):
    """Cross-modal attention both ways between frames and time steps of the sound, then the gate."""

    def __init__(self, config: EmoFusionConfig) -> None:
        super().__init__()
        self.audio_projection = nn.Linear(config.audio_embedding_size, config.hidden_size)
        self.video_projection = nn.Linear(config.video_embedding_size, config.hidden_size)
        self.audio_block = CrossAttentionBlock(config)
        self.video_block = CrossAttentionBlock(config)
        self.gate = Gate(config)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)

    def forward(self, inputs: Modalities) -> HeadOutput:
        """Attend both ways, average the tokens, mix, classify."""
        audio, video = self.audio_projection(inputs.audio), self.video_projection(inputs.video)
        audio_mean = self.audio_block(audio, video, inputs.video_mask).mean(1)
        video_mean = self.video_block(video, audio, inputs.audio_mask).mean(1)
        gate = self.gate(audio_mean, video_mean, inputs.audio_mask, inputs.video_mask)
        return HeadOutput(self.classifier(fuse(gate, audio_mean, video_mean)), gate=gate)


def branches_present(audio_mask: torch.Tensor, video_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Which branches count for each clip; a clip with neither modality falls back on both (their priors)."""
    return audio_mask | ~video_mask, video_mask | ~audio_mask


HEADS: dict[str, type[nn.Module]] = {
    "audio": SingleHead,
    "video": SingleHead,
    "late": LateHead,
    "concat": ConcatHead,
    "gated": GatedHead,
    "xattn": CrossAttentionHead,
}
"""What each fusion is called."""


class EmotionLoss(nn.Module):
    """Cross-entropy with class weights and label smoothing.

    Late fusion has the mean of its branches' losses; the other fusions that of their answer, and, weighed by
    `branch_loss_weight`, those of what either branch answers alone.
    """

    class_weights: torch.Tensor

    def __init__(self, config: EmoFusionConfig) -> None:
        super().__init__()
        self.config = config
        weights = config.class_weights or [1.0] * config.num_labels
        self.register_buffer("class_weights", torch.tensor(weights, dtype=torch.float32), persistent=False)

    def forward(self, head: HeadOutput, labels: torch.Tensor, inputs: Modalities) -> torch.Tensor:
        """Scalar loss for labels `[batch]`, or shares of the classes `[batch, classes]` where clips are mixed.

        -100 marks a clip without a label.

        0 where no clip counts, because none has a label or all are of classes with weight 0: nothing is learnt then.
        """
        per_clip = self._per_clip(head, labels, inputs)
        # torch's own weighted mean: divided by the weights of the true classes, not by the number of clips. A clip of
        # weight 0 is left out whole; torch would smooth its label all the same.
        weights = self.weights_of(labels)
        total = weights.sum()
        return torch.where(weights > 0, per_clip, 0.0).sum() / torch.where(total > 0, total, 1.0)

    def _per_clip(self, head: HeadOutput, labels: torch.Tensor, inputs: Modalities) -> torch.Tensor:
        """Loss of each clip `[batch]`; a branch that is missing has none."""
        if head.audio_logits is None or head.video_logits is None:
            return self._cross_entropy(head.logits, labels)
        audio_there, video_there = branches_present(inputs.audio_mask, inputs.video_mask)
        audio_loss = self._cross_entropy(head.audio_logits, labels) * audio_there
        video_loss = self._cross_entropy(head.video_logits, labels) * video_there
        if self.config.fusion == "late":
            return (audio_loss + video_loss) / (audio_there.int() + video_there.int())
        return self._cross_entropy(head.logits, labels) + self.config.branch_loss_weight * (audio_loss + video_loss)

    def weights_of(self, labels: torch.Tensor) -> torch.Tensor:
        """Weight of each clip `[batch]` by its class, or by the shares of its classes; 0 without a label."""
        if labels.is_floating_point():
            return labels @ self.class_weights.to(labels.dtype)
        return torch.where(labels != -100, self.class_weights.float()[labels.clamp(min=0)], 0.0)

    def _cross_entropy(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(
            logits.float(),
            labels,
            weight=self.class_weights.float(),
            label_smoothing=self.config.label_smoothing,
            reduction="none",
        )
