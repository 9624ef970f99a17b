"""What every model of this package has beside its answers: loading, saving, freezing, and how weights are drawn."""

import os
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.utils import logging

from .backbones_emofusion import LayerMix, freeze_backbone
from .configuration_emofusion import EmoFusionConfig
from .encoders_emofusion import Standardise
from .fusion_emofusion import EmotionLoss, GateOutput
from .seen_emofusion import NOBODY_KNOWS, SealedSeen, Seen, seal, why_unknown, write_into, written_in

logger = logging.get_logger(__name__)


class EmoFusionPreTrainedModel(PreTrainedModel):
    """Weight initialisation and the ties to transformers."""

    config_class = EmoFusionConfig
    base_model_prefix = "emofusion"
    main_input_name = "pixel_values"
    input_modalities = ("video", "audio")
    # Else Trainer takes the loss for a sum to be divided by the number of items in the whole accumulated batch.
    accepts_loss_kwargs = False
    _no_split_modules = ["VideoEncoder", "ActionUnitEncoder", "AudioResNet", "AudioCNN"]
    _supports_sdpa = True  # and the backbones of transformers do, where they can
    # What the weights had seen when they were drawn, trained or loaded; a seal tells whether they are still the same.
    _sealed: SealedSeen | None = None
    _frozen: list[nn.Module]

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike | None,
        *args: Any,
        check_seen: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Load a model as transformers does; its config says what the weights have seen only where their seal fits.

        Args:
            pretrained_model_name_or_path (`str` or `os.PathLike`, *optional*): Folder, or name on the hub.
            args: As transformers'.
            check_seen (`bool`): False for weights to start from: the config says that nobody knows, without a warning.
            kwargs: As transformers'.

        Returns:
            `EmoFusionModel`, with `output_loading_info=True` a pair of it and what was missing.
        """
        wants_info = kwargs.pop("output_loading_info", False)
        model, info = super().from_pretrained(pretrained_model_name_or_path, *args, output_loading_info=True, **kwargs)
        if any(".attention_norm." in name for name in info["unexpected_keys"]):
            raise ValueError(
                f"{pretrained_model_name_or_path}: its cross-modal attention is of an older release (post-norm), and "
                "these weights mean something else now; train it again"
            )
        claimed = written_in(model.config) if check_seen else None
        weights = model.state_dict()
        model._sealed = claimed.of(weights) if claimed is not None else None
        if check_seen and not (model._sealed is not None and model._sealed.seen.complete):
            why = why_unknown(model.config, claimed, model._sealed, weights)
            logger.warning_once(f"{pretrained_model_name_or_path}: nobody knows on whom it was trained: {why}")
        elif model._sealed is not None and model._sealed.seen.never_trained:
            logger.warning_once(f"{pretrained_model_name_or_path}: it was never trained, so it answers by chance")
        write_into(model.config, model._sealed)
        return (model, info) if wants_info else model

    @property
    def seen(self) -> Seen:
        """What the weights have seen, as they are at this moment: each look checks their seal (0.1 s at full size)."""
        sealed = self._sealed.of(self.state_dict()) if self._sealed is not None else None
        return sealed.seen if sealed is not None else NOBODY_KNOWS

    def seal_seen(self, seen: Seen, state_dict: dict[str, torch.Tensor] | None = None) -> None:
        """Let the model say what its weights have seen, in every copy that is saved until they change.

        Args:
            seen (`Seen`): All that they were trained on.
            state_dict (`dict`, *optional*): The weights, where they are gathered already.
        """
        self._sealed = seal(self.state_dict() if state_dict is None else state_dict, seen)

    def save_pretrained(
        self,
        save_directory: str | os.PathLike,
        is_main_process: bool = True,
        state_dict: dict[str, torch.Tensor] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Save as transformers does; the config says what the weights have seen if they are still those that have."""
        from .pipeline_emofusion import own_pipelines  # named in this file, so that it travels with the model

        self.config.custom_pipelines = own_pipelines()
        weights = self.state_dict() if state_dict is None else state_dict
        write_into(self.config, self._sealed.of(weights) if self._sealed is not None else None)
        super().save_pretrained(save_directory, is_main_process, state_dict, *args, **kwargs)

    @property
    def backbones(self) -> list[PreTrainedModel]:
        """The encoders that are transformers' own: those of `audio_encoder="auto"` and `video_encoder="auto"`."""
        kinds = {"audio": self.config.audio_encoder, "video": self.config.video_encoder}
        return [getattr(self, f"{name}_encoder").backbone for name in self.config.modalities if kinds[name] == "auto"]

    def freeze_audio_encoder(self, trainable_layers: int = 0, whole: bool = False) -> None:
        """Stop training the audio encoder, its BatchNorm statistics included.

        Of one of transformers (`audio_encoder="auto"`) that is its backbone: what pools and projects behind it learns.

        Args:
            trainable_layers (`int`): How many of such a backbone's last layers go on learning.
            whole (`bool`): Freeze what lies behind a backbone, too.
        """
        self._freeze(self.audio_encoder, "audio", trainable_layers, whole)

    def freeze_video_encoder(self, trainable_layers: int = 0, whole: bool = False) -> None:
        """Stop training the video encoder, as [`EmoFusionModel.freeze_audio_encoder`] the other."""
        self._freeze(self.video_encoder, "video", trainable_layers, whole)

    def _freeze(self, encoder: Any, modality: str, trainable_layers: int, whole: bool) -> None:
        if encoder is None:
            raise ValueError(f"a model with fusion={self.config.fusion!r} has no {modality} encoder to freeze")
        if getattr(self.config, f"{modality}_encoder") == "auto" and not whole:
            parts = freeze_backbone(encoder.backbone, trainable_layers)
        elif trainable_layers:
            raise ValueError(f'trainable_layers={trainable_layers}: it is for {modality}_encoder="auto"')
        else:
            parts = [encoder.requires_grad_(False)]
        self._frozen += [part.eval() for part in parts]

    def train(self, mode: bool = True) -> "EmoFusionPreTrainedModel":
        """Set training mode, but leave frozen encoders in evaluation mode."""
        super().train(mode)
        for encoder in self._frozen:
            encoder.eval()
        return self

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Initialise one module; children come before their parents, and what a checkpoint gave is left alone.

        The ResNets and the backbones of transformers are models of their own and initialise themselves.
        """
        super()._init_weights(module)
        if isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, GateOutput):
            init.zeros_(module.weight)
            init.constant_(module.bias, float(self.config.gate_bias))
        elif isinstance(module, nn.Linear):
            # transformers' N(0, 0.02) is made for transformers; these are small heads on positive features.
            init.kaiming_uniform_(module.weight, a=5**0.5)
            init.zeros_(module.bias)
        elif isinstance(module, Standardise):
            init.zeros_(module.mean)
            init.ones_(module.std)
        elif isinstance(module, LayerMix):
            init.zeros_(module.weight)
        elif isinstance(module, EmotionLoss):
            weights = self.config.class_weights or [1.0] * self.config.num_labels
            init.copy_(module.class_weights, torch.tensor(weights, dtype=torch.float32))
