"""`python -m emofusion.evaluation.explain CLIP --model DIR`: what moved the answer, drawn and as JSON."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from emofusion.data.whole_files import write_json
from emofusion.evaluation.plots.figures import save_figure

if TYPE_CHECKING:
    from emofusion.modeling import EmoFusionModel, EmoFusionProcessor


def main(argv: Sequence[str] | None = None) -> None:
    """Explain one clip.

    Raises:
        OSError, ValueError: As of `explain_clip`.
    """
    parser = argparse.ArgumentParser(
        prog="python -m emofusion.evaluation.explain",
        description="Which frames, which stretch of sound and which mel bands moved the answer of a model, and "
        "how much each modality did. Writes explanation.png and explanation.json into OUT.",
    )
    parser.add_argument("clip", help="a media file")
    parser.add_argument("--model", required=True, help="folder or hub name of a checkpoint")
    parser.add_argument("--label", help="explain this class; by default the most likely one")
    parser.add_argument(
        "--output_dir", default=Path("explanation"), type=Path, metavar="OUT", help="default: explanation"
    )
    args = parser.parse_args(argv)
    explain_clip(args.clip, args.model, args.output_dir, args.label)


def explain_clip(clip: str, checkpoint: str, out: Path, label: str | None = None) -> None:
    """Explain one clip, and write the picture and the numbers into a folder.

    Args:
        clip (`str`): A media file.
        checkpoint (`str`): Folder or hub name of the model.
        out (`Path`): The folder.
        label (`str`, *optional*): The class, by default the most likely one.

    Raises:
        OSError, ValueError: No such clip, model or class, or a model whose input cannot be hidden in parts.
    """
    from .explanation import answer_of, explain
    from .picture import explanation_figure

    if out.is_file():
        raise ValueError(f"--output_dir {out}: that is a file; name a folder")
    model, processor = _loaded(checkpoint)
    seen = processor.recording(clip).clip()
    found = explain(answer_of(model, processor.pack([seen], cropped=True), label))
    extractor = processor.feature_extractor
    seconds, rate = extractor.num_samples / extractor.sampling_rate, extractor.sampling_rate
    frames = None
    if found.answer.frames is not None:
        frames = _seen(found.answer.frames, processor.video_processor)
    about = {"clip": Path(clip).name, "window": [seen.start, seen.end], "duration": seen.duration}
    record = {**about, **found.as_json(seen.start, seconds, rate)}
    title = f"{Path(clip).name}, {seen.start:.2f} to {seen.end:.2f} s, {Path(checkpoint).name}"
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "explanation.json", record, indent=1)
    save_figure(explanation_figure(found, frames, seen.start, seconds, rate, title), out / "explanation.png")
    sys.stdout.write(_words(record) + f"\n{out / 'explanation.png'}, {out / 'explanation.json'}\n")


def _loaded(checkpoint: str) -> "tuple[EmoFusionModel, EmoFusionProcessor]":
    """Model and processor of a checkpoint, by the classes of this package.

    Raises:
        ValueError: They cannot be loaded; in one line.
    """
    from safetensors import SafetensorError

    from emofusion.modeling import EmoFusionModel, EmoFusionProcessor

    try:
        return EmoFusionModel.from_pretrained(checkpoint), EmoFusionProcessor.from_pretrained(checkpoint)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"--model {checkpoint}: cannot be loaded ({reason})") from error


def _seen(pixels: torch.Tensor, processor: object) -> np.ndarray:
    """uint8 `[frames, height, width, 3]` of normalised `[frames, 3, height, width]`."""
    mean, std = (torch.tensor(getattr(processor, f"image_{name}")).view(1, 3, 1, 1) for name in ("mean", "std"))
    return ((pixels.cpu() * std + mean).clamp(0, 1) * 255).byte().permute(0, 2, 3, 1).numpy()


def _words(found: dict) -> str:
    """The explanation in a few lines."""
    (start, end), duration = found["window"], found["duration"]
    of = "" if duration is None else f" of {duration:.2f} s"
    lines = [f"{found['label']}: probability {found['score']:.3f}, about {start:.2f}-{end:.2f} s{of}"]
    called = {"audio": "sound", "video": "picture"}
    lines += [f"without the {called[name]}: {score:.3f}" for name, score in found["score_without"].items()]
    if "stretches" in found:
        most = max(found["stretches"], key=lambda part: part["fall"])
        lines.append(f"stretch that moved it most: {most['start']:.2f}-{most['end']:.2f} s, {most['fall']:+.3f}")
        most = max(found["bands"], key=lambda part: part["fall"])
        lines.append(f"band that moved it most: {most['from_hz']:.0f}-{most['to_hz']:.0f} Hz, {most['fall']:+.3f}")
        test = found["faithfulness"]
        lines.append(
            f"the {test['tiles_hidden']} tiles that moved it most, hidden together: {test['fall_by_top_tiles']:+.3f}; "
            f"as many at random: {test['fall_by_random_tiles']:+.3f}"
        )
    if "frames" in found:
        index = int(np.argmax(found["frames"]))
        lines.append(f"frame that moved it most: {index + 1} of {len(found['frames'])}, {found['frames'][index]:+.3f}")
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
