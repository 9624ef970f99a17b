"""The emofusion model: two encoders, modality dropout, a fusion head and its own loss."""

import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from transformers.utils import ModelOutput, logging

from .configuration_emofusion import EmoFusionConfig
from .encoders_emofusion import AUDIO_ENCODERS, VIDEO_ENCODERS, join_rows
from .fusion_emofusion import HEADS, EmotionLoss, HeadOutput, Modalities
from .pretrained_emofusion import EmoFusionPreTrainedModel
from .seen_emofusion import NOBODY_KNOWS, new_weights, write_into

logger = logging.get_logger(__name__)

UNSURE = "unsure"
"""What [`EmoFusionModel.answers`] says in place of a class."""
_CALLED = {"audio": "sound", "video": "pictures"}


@dataclass
class EmoFusionOutput(ModelOutput):
    """Output of [`EmoFusionModel`]; what a fusion does not have is None.

    Attributes:
        loss (`torch.FloatTensor`): scalar, where labels were given.
        logits (`torch.FloatTensor`): `[batch, classes]`; their softmax are the probabilities.
        gate (`torch.FloatTensor`): `[batch]`, weight of the audio 0..1 (`"gated"`, `"xattn"`).
        audio_embeds (`torch.FloatTensor`): `[batch, 128]`, zero where there is no sound.
        video_embeds (`torch.FloatTensor`): `[batch, 512]`, zero where there is no picture.
        audio_logits (`torch.FloatTensor`): `[batch, classes]` of the audio branch alone (`"late"`).
        video_logits (`torch.FloatTensor`): `[batch, classes]` of the video branch alone (`"late"`).
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    gate: torch.Tensor | None = None
    audio_embeds: torch.Tensor | None = None
    video_embeds: torch.Tensor | None = None
    audio_logits: torch.Tensor | None = None
    video_logits: torch.Tensor | None = None


class EmoFusionModel(EmoFusionPreTrainedModel):
    """Emotion from 8 frames and 3 seconds of sound, where either may be missing.

    `audio_encoder` and `video_encoder` are None where the fusion does not use them.

    Example:
        ```python
        >>> from emofusion.modeling import EmoFusionModel, EmoFusionProcessor
        >>> model = EmoFusionModel.from_pretrained("runs/demo")
        >>> processor = EmoFusionProcessor.from_pretrained("runs/demo")
        >>> logits = model(**processor("clip.mp4", return_tensors="pt")).logits
        >>> model.config.id2label[logits.argmax(-1).item()]
        ```
    """

    def __init__(self, config: EmoFusionConfig) -> None:
        is_new = torch.get_default_device().type != "meta"  # else weights come from a checkpoint
        if is_new and config.training_actors is not None:
            config = copy.deepcopy(config)  # that of another model, which goes on to say what it has seen
            write_into(config, None)
        super().__init__(config)
        # save_pretrained adds AutoConfig and AutoModel by itself (see the end of this file).
        config.auto_map = {**(getattr(config, "auto_map", None) or {}), **AUTO_MAP}
        reads_audio, reads_video = "audio" in config.modalities, "video" in config.modalities
        self.audio_encoder: Any = AUDIO_ENCODERS[config.audio_encoder](config) if reads_audio else None
        self.video_encoder: Any = VIDEO_ENCODERS[config.video_encoder](config) if reads_video else None
        self.head = HEADS[config.fusion](config)
        self.loss = EmotionLoss(config)
        self.main_input_name = config.picture_input if reads_video else config.sound_input
        self.supports_gradient_checkpointing = any(
            backbone.supports_gradient_checkpointing for backbone in self.backbones
        )
        self._frozen = []
        self.post_init()
        self._sealed = new_weights(self.state_dict()) if is_new else None

    def forward(
        self,
        pixel_values: torch.Tensor | None = None,
        input_features: torch.Tensor | None = None,
        video_mask: torch.Tensor | None = None,
        audio_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        return_dict: bool | None = None,
        action_units: torch.Tensor | None = None,
        action_unit_mask: torch.Tensor | None = None,
        audio_tokens: torch.Tensor | None = None,
        video_tokens: torch.Tensor | None = None,
        input_values: torch.Tensor | None = None,
        audio_states: torch.Tensor | None = None,
        video_states: torch.Tensor | None = None,
    ) -> EmoFusionOutput | tuple[torch.Tensor, ...]:
        """Classify a batch of clips.

        Args:
            pixel_values (`torch.FloatTensor`, *optional*): `[batch, frames, 3, height, width]`, normalised RGB.
            input_features (`torch.FloatTensor`, *optional*): `[batch, mels, time]`, normalised log-mel.
            video_mask (`torch.BoolTensor`, *optional*): `[batch]`, True where there is a picture; all by default.
            audio_mask (`torch.BoolTensor`, *optional*): `[batch]`, True where there is sound; all by default.
            labels (`torch.LongTensor`, *optional*): `[batch]`, class ids; or float `[batch, classes]`, the shares of
                the classes in clips that are mixed.
            return_dict (`bool`, *optional*): False for a plain tuple without the fields that are None.
            audio_tokens (`torch.FloatTensor`, *optional*): `[batch, steps, 128]`, what [`EmoFusionModel.encode`] made
                of the sound before, in place of `input_features`.
            video_tokens (`torch.FloatTensor`, *optional*): `[batch, frames, 512]`, the same in place of
                `pixel_values`. With either, only the head does anything.
            action_units (`torch.FloatTensor`, *optional*): `[batch, steps, 35]`, of OpenFace, in place of
                `pixel_values` where `video_encoder="action_units"`.
            action_unit_mask (`torch.BoolTensor`, *optional*): `[batch, steps]`, True where they were measured; all by
                default.
            input_values (`torch.FloatTensor`, *optional*): In place of `input_features` where `audio_encoder="auto"`:
                what the extractor of that encoder made, samples `[batch, samples]` or a spectrogram.
            audio_states (`torch.FloatTensor`, *optional*): What [`EmoFusionModel.backbone_states`] made of sound.
            video_states (`torch.FloatTensor`, *optional*): The same of pictures.

        Returns:
            `EmoFusionOutput`.

        Raises:
            ValueError: Neither input given, the one a single-branch model needs is missing, or a wrong shape.
        """
        masks, known = (video_mask, audio_mask), (audio_tokens, video_tokens, audio_states, video_states)
        if all(tensor is None for tensor in known):
            inputs = self.encode(pixel_values, input_features, *masks, action_units, action_unit_mask, input_values)
        else:
            inputs = self._encoded(*known, *masks)
        output = self._output(inputs, labels)
        return_dict = self.config.return_dict if return_dict is None else return_dict
        return output if return_dict else output.to_tuple()

    def _output(self, inputs: Modalities, labels: torch.Tensor | None) -> EmoFusionOutput:
        """What the head makes of both modalities, and its loss where there are labels."""
        head = self.head(inputs)
        return EmoFusionOutput(
            loss=self._loss_of(head, labels, inputs) if labels is not None else None,
            # The loss knows no temperature, so that it is the same before and after calibration.
            logits=head.logits if self.training else head.logits / self.config.temperature,
            gate=head.gate,
            audio_embeds=inputs.audio.mean(1) if self.audio_encoder is not None else None,
            video_embeds=inputs.video.mean(1) if self.video_encoder is not None else None,
            audio_logits=head.audio_logits,
            video_logits=head.video_logits,
        )

    def answers(self, logits: torch.Tensor) -> list[str]:
        """The name of the most likely class of each clip, or `"unsure"` where its probability is too low.

        Too low is below `config.unsure_below`, which `--unsure_accuracy` fits; at 0, its default, there is always a
        name, but for logits that are no numbers.

        Args:
            logits (`torch.FloatTensor`): `[batch, classes]`, as `forward` gives them in evaluation.

        Returns:
            `list[str]`: One for each clip.

        Raises:
            ValueError: The logits have another shape.
        """
        if logits.ndim != 2 or logits.shape[1] != self.config.num_labels:
            raise ValueError(f"logits: expected [batch, {self.config.num_labels}], found {list(logits.shape)}")
        confidence, classes = logits.detach().float().softmax(-1).max(-1)
        sure = confidence >= self.config.unsure_below
        return [
            self.config.id2label[index] if there else UNSURE
            for index, there in zip(classes.tolist(), sure, strict=True)
        ]

    def encode(
        self,
        pixel_values: torch.Tensor | None = None,
        input_features: torch.Tensor | None = None,
        video_mask: torch.Tensor | None = None,
        audio_mask: torch.Tensor | None = None,
        action_units: torch.Tensor | None = None,
        action_unit_mask: torch.Tensor | None = None,
        input_values: torch.Tensor | None = None,
    ) -> Modalities:
        """What the encoders make of a batch; the arguments and errors are those of [`EmoFusionModel.forward`].

        Returns:
            `Modalities`: `audio [batch, steps, 128]` and `video [batch, frames, 512]`, which `forward` takes as
            `audio_tokens` and `video_tokens`, and the masks.
        """
        sound = self._sound(input_features, input_values)
        # A single-branch model ignores the other input, whatever it is.
        picture = self._picture(pixel_values, action_units, action_unit_mask)
        self._check(picture, sound)
        if video_mask is None and picture is not None and self.config.video_encoder == "action_units":
            video_mask = picture[..., -1].any(1)  # the last number of a row says whether it was measured
        there = self._there(*self._masks(picture, sound, video_mask, audio_mask))
        return Modalities(
            audio=self._encode(self.audio_encoder, sound, there[0], self.config.audio_embedding_size),
            video=self._encode(self.video_encoder, picture, there[1], self.config.video_embedding_size),
            audio_mask=there[0],
            video_mask=there[1],
        )

    def backbone_states(self, **inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        """What the backbone of a branch makes of a batch, which never changes while it is frozen.

        Args:
            inputs: As of [`EmoFusionModel.encode`].

        Returns:
            `dict[str, torch.Tensor]`: `audio_states` or `video_states`, which `forward` takes in place of the inputs,
            and the mask of the modality.

        Raises:
            ValueError: The model reads both modalities, its encoder is not transformers' own, or as of `forward`.
        """
        if len(self.config.modalities) > 1 or not self.backbones:
            raise ValueError(
                "backbone_states: expected a model of one modality whose encoder is transformers' own, found "
                f"fusion={self.config.fusion!r} with {len(self.backbones)} of them"
            )
        (modality,) = self.config.modalities
        values = inputs.get(self._input_of(modality))
        self._check(values if modality == "video" else None, values if modality == "audio" else None)
        assert values is not None  # _check saw to it
        mask = inputs.get(f"{modality}_mask", torch.ones(len(values), dtype=torch.bool, device=values.device))
        encoder = getattr(self, f"{modality}_encoder")
        there = mask.view(-1, *(1,) * (values.ndim - 1))
        states = encoder.states(torch.where(there, values, 0.0).to(self.dtype))
        return {f"{modality}_states": states, f"{modality}_mask": mask}

    def _encoded(
        self,
        audio_tokens: torch.Tensor | None,
        video_tokens: torch.Tensor | None,
        audio_states: torch.Tensor | None,
        video_states: torch.Tensor | None,
        video_mask: torch.Tensor | None,
        audio_mask: torch.Tensor | None,
    ) -> Modalities:
        """Both modalities where the encoders, or their backbones, have done their part before."""
        if audio_states is not None and self.audio_encoder is not None:
            audio_tokens = self.audio_encoder.tokens(audio_states.to(self.dtype))
        if video_states is not None and self.video_encoder is not None:
            video_tokens = self.video_encoder.tokens(video_states.to(self.dtype))
        given = audio_tokens if audio_tokens is not None else video_tokens
        assert given is not None
        audio_there, video_there = self._there(*self._masks(video_tokens, audio_tokens, video_mask, audio_mask))

        def tokens_of(tokens: torch.Tensor | None, there: torch.Tensor, size: int) -> torch.Tensor:
            if tokens is None:
                return torch.zeros(len(given), 1, size, dtype=self.dtype, device=given.device)
            return torch.where(there[:, None, None], tokens.to(self.dtype), 0.0)

        return Modalities(
            audio=tokens_of(audio_tokens, audio_there, self.config.audio_embedding_size),
            video=tokens_of(video_tokens, video_there, self.config.video_embedding_size),
            audio_mask=audio_there,
            video_mask=video_there,
        )

    def _there(self, audio_there: torch.Tensor, video_there: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Audio and video mask, after modality dropout in training."""
        if not self.training:
            self._warn_of_unseen({"audio": audio_there, "video": video_there})
        elif len(self.config.modalities) == 2:
            return drop_modalities(audio_there, video_there, self.config.modality_dropout_p)
        return audio_there, video_there

    def _loss_of(self, head: HeadOutput, labels: torch.Tensor, inputs: Modalities) -> torch.Tensor:
        """The loss; in training, with what either modality alone would have answered where its losses count, too."""
        two_answers = self.training and self.config.branch_loss_weight > 0 and len(self.config.modalities) == 2
        if two_answers and head.audio_logits is None:
            alone = {name: self.head(inputs.alone(name)).logits for name in self.config.modalities}
            head = replace(head, audio_logits=alone["audio"], video_logits=alone["video"])
        return self.loss(head, labels, inputs)

    def _sound(self, input_features: torch.Tensor | None, input_values: torch.Tensor | None) -> torch.Tensor | None:
        """What the audio encoder reads; None where there is no encoder, or nothing.

        Raises:
            ValueError: It was given what another encoder reads.
        """
        given = {"input_features": input_features, "input_values": input_values}
        if self.audio_encoder is None:
            return None
        sound = given.pop(self.config.sound_input)
        if sound is None and any(other is not None for other in given.values()):
            raise ValueError(
                f"{next(iter(given))}: this model hears {self.config.sound_input}, as its own processor makes them "
                f"(audio_encoder={self.config.audio_encoder!r})"
            )
        return sound

    def _picture(
        self, pixel_values: torch.Tensor | None, action_units: torch.Tensor | None, measured: torch.Tensor | None
    ) -> torch.Tensor | None:
        """What the video encoder reads, frames or rows of action units; None where there is no encoder, or nothing."""
        if self.video_encoder is None or self.config.video_encoder != "action_units":
            return pixel_values if self.video_encoder is not None else None
        return None if action_units is None else join_rows(action_units, measured, self.config.action_unit_size)

    def _input_of(self, modality: str) -> str:
        """What the model calls its input of this modality."""
        return self.config.picture_input if modality == "video" else self.config.sound_input

    def _check(self, picture: torch.Tensor | None, sound: torch.Tensor | None) -> None:
        """Refuse inputs by their shapes alone: values are never looked at, so that export and compilation work."""
        if picture is None and sound is None:
            needed = " or ".join(map(self._input_of, self.config.modalities))
            raise ValueError(f"a model with fusion={self.config.fusion!r} needs {needed}, found None")
        name, frames = self._input_of("video"), self.config.video_encoder != "action_units"
        if picture is not None and frames and (picture.ndim != 5 or picture.shape[2] != 3):
            raise ValueError(f"{name}: expected [batch, frames, 3, height, width], found {list(picture.shape)}")
        mels, heard = self.config.num_mel_bins, self._input_of("audio")
        if sound is not None and heard == "input_values" and sound.ndim not in (2, 3):
            raise ValueError(
                f"input_values: expected [batch, samples] or a spectrogram of each clip, found {list(sound.shape)}"
            )
        if sound is not None and heard == "input_features" and (sound.ndim != 3 or sound.shape[1] != mels):
            raise ValueError(f"input_features: expected [batch, {mels}, time], found {list(sound.shape)}")
        if picture is not None and sound is not None and picture.shape[0] != sound.shape[0]:
            raise ValueError(
                f"{name} has {len(picture)} clips and {heard} {len(sound)}: "
                "give both for every clip, and masks that say what is missing"
            )

    def _masks(
        self,
        picture: torch.Tensor | None,
        sound: torch.Tensor | None,
        video_mask: torch.Tensor | None,
        audio_mask: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Audio and video mask `[batch]` for the inputs given."""
        given = picture if picture is not None else sound
        assert given is not None  # _check saw to it
        nothing = torch.zeros(given.shape[0], dtype=torch.bool, device=given.device)

        def mask_of(tensor: torch.Tensor | None, mask: torch.Tensor | None, name: str) -> torch.Tensor:
            if tensor is None:
                return nothing
            if mask is None:
                return ~nothing
            if mask.shape != nothing.shape:
                raise ValueError(f"{name}: expected {list(nothing.shape)}, found {list(mask.shape)}")
            return mask.to(device=given.device, dtype=torch.bool)

        reads_units = self.config.video_encoder == "action_units"
        if video_mask is None and reads_units and picture is not None and picture.ndim == 3:
            video_mask = picture[..., -1].any(1) if picture.shape[2] == self.config.action_unit_size + 1 else None
        return mask_of(sound, audio_mask, "audio_mask"), mask_of(picture, video_mask, "video_mask")

    def _warn_of_unseen(self, there: dict[str, torch.Tensor]) -> None:
        """Say once that clips have a modality that no training clip had. Only such a model looks at the values."""
        seen = self._sealed.seen if self._sealed is not None else NOBODY_KNOWS  # of loading; no look at all weights
        for modality in seen.without(self.config.modalities):
            if not torch.compiler.is_compiling() and there[modality].any():
                name = self.config.name_or_path or type(self).__name__
                logger.warning_once(
                    f"{name}: it was trained on clips without {_CALLED[modality]} and is given some, of which it can "
                    f"make nothing; leave {self._input_of(modality)} out"
                )

    def _encode(
        self, encoder: nn.Module | None, tensor: torch.Tensor | None, mask: torch.Tensor, size: int
    ) -> torch.Tensor:
        """Tokens `[batch, n, size]`, zero where the modality is missing.

        The input of a missing modality is replaced before the encoder too: BatchNorm sees the whole batch, and a NaN
        would spread through it.
        """
        if encoder is None or tensor is None:
            return torch.zeros(mask.shape[0], 1, size, dtype=self.dtype, device=mask.device)
        there = mask.view(-1, *(1,) * (tensor.ndim - 1))
        tokens = encoder(torch.where(there, tensor, 0.0).to(self.dtype))
        return torch.where(mask[:, None, None], tokens, 0.0)


def drop_modalities(audio_mask: torch.Tensor, video_mask: torch.Tensor, p: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Modality dropout: one draw per clip takes the sound away with probability `p`, the picture with `p`, or neither.

    A clip that has only one modality keeps it.

    Source: Neverova et al. 2016, ModDrop (arXiv:1501.00102).
    """
    draw = torch.rand(audio_mask.shape, device=audio_mask.device)
    both = audio_mask & video_mask
    return audio_mask & ~(both & (draw < p)), video_mask & ~(both & (draw >= 1 - p))


AUTO_MAP = {
    "AutoModelForVideoClassification": "modeling_emofusion.EmoFusionModel",
    "AutoModelForAudioClassification": "modeling_emofusion.EmoFusionModel",
}

EmoFusionModel.register_for_auto_class("AutoModel")

__all__ = ["EmoFusionModel", "EmoFusionOutput", "EmoFusionPreTrainedModel"]
