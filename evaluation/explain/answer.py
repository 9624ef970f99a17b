"""How likely a model holds one class, where parts of a clip are hidden from it."""

from collections.abc import Mapping

import torch

from emofusion.modeling import EmoFusionModel
from emofusion.modeling.modeling_emofusion import EmoFusionOutput

BATCH = 32
"""Changed copies of a clip that are encoded at once."""


class Answer:
    """The probability of one class for one clip, and for copies of it of which either modality was changed.

    What does not change is encoded once.

    Args:
        model (`EmoFusionModel`): In evaluation mode.
        inputs (`Mapping[str, torch.Tensor]`): What the processor makes of one clip.
        label (`str`, *optional*): Name of the class, by default the most likely one.

    Raises:
        ValueError: Several clips, no such class, or inputs that are neither frames nor log-mels.
    """

    def __init__(self, model: EmoFusionModel, inputs: Mapping[str, torch.Tensor], label: str | None = None) -> None:
        self.model = model
        self.sound = _one(inputs, "input_features", model, "audio", "log-mels")
        self.frames = _one(inputs, "pixel_values", model, "video", "frames")
        with torch.no_grad():
            encoded = model.encode(self._batch(self.frames), self._batch(self.sound), **_masks(inputs))
            self.there = {"audio": bool(encoded.audio_mask[0]), "video": bool(encoded.video_mask[0])}
            self._tokens = {"audio": encoded.audio, "video": encoded.video}
            self.probabilities = self._of_tokens(encoded.audio, encoded.video)[0]
        names = [model.config.id2label[index] for index in range(model.config.num_labels)]
        if label is not None and label not in names:
            raise ValueError(f"label: the model has no class {label!r}; its classes are {', '.join(names)}")
        self.index = int(self.probabilities.argmax()) if label is None else names.index(label)
        self.label = names[self.index]
        self.score = float(self.probabilities[self.index])

    @staticmethod
    def _batch(value: torch.Tensor | None) -> torch.Tensor | None:
        return None if value is None else value[None]

    def has(self, modality: str) -> bool:
        """Whether the clip has this modality (`"audio"`, `"video"`), and the model reads it."""
        return modality in self.model.config.modalities and self.there[modality]

    @torch.no_grad()
    def of_sounds(self, sounds: torch.Tensor) -> torch.Tensor:
        """Probability `[copies]` of the class, with each of these log-mels `[copies, mels, time]` as the sound."""
        parts = [self.model.encode(input_features=part).audio for part in sounds.split(BATCH)]
        return self._of_tokens(torch.cat(parts), self._tokens["video"])[:, self.index]

    @torch.no_grad()
    def of_frames(self, frames: torch.Tensor) -> torch.Tensor:
        """Probability `[copies]` of the class, with each of these `[copies, frames, 3, height, width]` as picture."""
        parts = [self.model.encode(pixel_values=part).video for part in frames.split(BATCH)]
        return self._of_tokens(self._tokens["audio"], torch.cat(parts))[:, self.index]

    @torch.no_grad()
    def without(self, modality: str) -> float:
        """Probability of the class where this modality (`"audio"` or `"video"`) is taken away, and the other stays."""
        there = self.there | {modality: False}
        tokens = self._tokens["audio"], self._tokens["video"]
        return float(self._of_tokens(*tokens, there)[0, self.index])

    def gate(self) -> float | None:
        """Weight of the sound, 0..1; None where the model has no gate."""
        with torch.no_grad():
            gate = self._output(self._tokens["audio"], self._tokens["video"], self.there).gate
        return None if gate is None else float(gate.mean())

    def _of_tokens(
        self, audio: torch.Tensor, video: torch.Tensor, there: Mapping[str, bool] | None = None
    ) -> torch.Tensor:
        logits = self._output(audio, video, self.there if there is None else there).logits
        assert logits is not None
        return logits.float().softmax(-1)

    def _output(self, audio: torch.Tensor, video: torch.Tensor, there: Mapping[str, bool]) -> EmoFusionOutput:
        copies = max(len(audio), len(video))
        masks = {f"{name}_mask": torch.full((copies,), value, device=audio.device) for name, value in there.items()}
        tokens = {"audio": audio, "video": video}
        given = {f"{name}_tokens": tokens[name].expand(copies, -1, -1) for name in self.model.config.modalities}
        return self.model(**given, **masks)


def _one(
    inputs: Mapping[str, torch.Tensor], name: str, model: EmoFusionModel, modality: str, wanted: str
) -> torch.Tensor | None:
    """The one clip's own values; None where the model does not read them."""
    if modality not in model.config.modalities:
        return None
    encoder = getattr(model.config, f"{modality}_encoder")
    if encoder in ("auto", "action_units"):
        raise ValueError(f"{modality}_encoder={encoder!r}: only what a model of {wanted} reads can be hidden in parts")
    if name not in inputs:  # the processor leaves out what the clip does not have
        return None
    if len(inputs[name]) != 1:
        raise ValueError(f"{name}: expected one clip, found {len(inputs[name])}")
    return inputs[name][0]


def _masks(inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: inputs[name] for name in ("video_mask", "audio_mask") if name in inputs}
