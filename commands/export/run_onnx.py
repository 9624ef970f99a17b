"""Name the emotion of clips by an exported model, with numpy, onnxruntime and av alone.

    python run_onnx.py clip.mp4 voice.wav [--model model.onnx]

prints a line of JSON for each file; the exit code is 1 where one failed. `emofusion export` wrote this file and the
model beside it; what the model reads, and how it is to be prepared, stands in the metadata of the model. Which seconds
and which frames of a file are taken, and how it is decoded, is the very code of emofusion.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from emofusion.modeling.faces_emofusion import crop_face, locate, make_face_finder
from emofusion.modeling.media_emofusion import Clip, read_clip
from emofusion.modeling.sound_emofusion import from_int16, to_int16

LUMA = (299, 587, 114)  # of red, green and blue, by ITU-R BT.601, in thousandths


class ExportedModel:
    """A model that `emofusion export --to onnx` or `int8` wrote, with raw sound.

    Args:
        path (`str` or `Path`): Its file.
        yunet_path (`str`, *optional*): ONNX file of the face detector, for a model with `face_crop="yunet"`.

    Raises:
        ValueError: It is no such file.
        ImportError: It wants faces, and OpenCV is not installed.
    """

    def __init__(self, path: str | Path, yunet_path: str | None = None) -> None:
        if not Path(path).is_file():
            raise ValueError(f"{path}: expected an exported model, found no such file. Name it with --model.")
        try:
            self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has classes of its own for all that may be wrong with a file
            raise ValueError(f"{path}: expected an exported model, found what onnxruntime refuses: {error}") from error
        written = self.session.get_modelmeta().custom_metadata_map
        if json.loads(written.get("model_type", "null")) != "emofusion":
            raise ValueError(f"{path}: expected a model that emofusion exported, found no metadata of one in it.")
        self.about: dict[str, Any] = {name: json.loads(value) for name, value in written.items()}
        if self.about["sound"] == "log_mel" or self.about["picture"] == "action_units":
            raise ValueError(f"{path}: expected a model of sound and frames; export it with --sound samples.")
        self.finder = make_face_finder(self.about["face_crop"], yunet_path)

    def __call__(self, path: str) -> dict[str, Any]:
        """The answer about one file: label, score, scores, modalities, gate, window, duration and notes.

        Raises:
            ValueError, OSError: It cannot be read, or has nothing that the model reads.
        """
        reads = self.about["modalities"]
        clip = read_clip(
            path,
            num_frames=self.about["num_frames"],
            duration=self.about["clip_duration"],
            sampling_rate=self.about["sampling_rate"],
            window=self.about["window"],
            want_video="video" in reads,
            want_audio="audio" in reads,
        )
        notes = list(clip.notes)
        found = self.session.run(None, self.inputs(clip, notes))
        output = dict(zip([output.name for output in self.session.get_outputs()], found, strict=True))
        there = {"audio": clip.audio is not None, "video": clip.frames is not None}
        end = min(clip.start + self.about["clip_duration"], clip.duration)
        return {
            **self._said(output["logits"][0]),
            "modalities": [name for name in reads if there[name]],
            "gate": float(output["gate"][0]) if "gate" in output else None,
            "window": [clip.start, end],
            "duration": clip.duration,
            "notes": list(dict.fromkeys(notes)),
        }

    def inputs(self, clip: Clip, notes: list[str]) -> dict[str, np.ndarray]:
        """What the model is given of one clip; zeros, and a mask, where it lacks something.

        Args:
            clip (`Clip`): As it was read.
            notes (`list[str]`): Takes that no face was found.
        """
        wanted = {tensor.name for tensor in self.session.get_inputs()}
        size, frames = self.about["image_size"], self.about["num_frames"]
        pixels = np.zeros((1, frames, 3, size, size), np.float32)
        samples = np.zeros((1, round(self.about["clip_duration"] * self.about["sampling_rate"])), np.float32)
        if clip.frames is not None:
            pixels = self.pixels(clip.frames, notes)[None]
        stored = to_int16(clip.audio)  # as clips were stored for training
        if stored is not None:
            samples[0, : len(stored)] = from_int16(stored)
        given = {
            "pixel_values": pixels,
            "video_mask": np.array([clip.frames is not None]),
            "samples": samples,
            "audio_mask": np.array([clip.audio is not None]),
        }
        return {name: value for name, value in given.items() if name in wanted}

    def pixels(self, frames: np.ndarray, notes: list[str]) -> np.ndarray:
        """Frames uint8 `[frames, height, width, 3]`, cut and normalised: float32 `[frames, 3, side, side]`."""
        if self.finder is not None:
            box = locate(self.finder, frames)
            notes += [] if box is not None else ["no face found in it, so the middle square of its picture is taken"]
            frames = crop_face(frames, box)
        square = middle(frames, min(frames.shape[1:3]))
        small = middle(resized(square, self.about["stored_size"]), self.about["image_size"])
        if self.about["grey"]:
            luma = (small.astype(np.int32) @ np.array(LUMA) + 500) // 1000
            small = np.repeat(luma[..., None], 3, axis=3)
        scaled = small.astype(np.float32) / np.float32(255)
        mean, std = (np.array(self.about[name], np.float32) for name in ("image_mean", "image_std"))
        return ((scaled - mean) / std).transpose(0, 3, 1, 2)

    def _said(self, logits: np.ndarray) -> dict[str, Any]:
        """Label and probabilities, the most likely first."""
        shares = np.exp(logits.astype(np.float64) - logits.max())
        shares /= shares.sum()
        order = np.argsort(-shares, kind="stable")
        scores = {self.about["labels"][index]: float(shares[index]) for index in order}
        best, score = next(iter(scores.items()))
        return {"label": best if score >= self.about["unsure_below"] else "unsure", "score": score, "scores": scores}


def middle(frames: np.ndarray, side: int) -> np.ndarray:
    """The middle square of frames `[frames, height, width, 3]`."""
    top, left = (round((length - side) / 2) for length in frames.shape[1:3])
    return frames[:, top : top + side, left : left + side]


def resized(squares: np.ndarray, side: int) -> np.ndarray:
    """Square frames uint8 at another size, bilinear with antialiasing, as torch resizes bytes.

    Each row first, then each column, with weights of 16 bits, and rounded after either: to the bit what torch does on
    processors with AVX2.
    """
    weights = in_16_bits(triangles(squares.shape[1], side))
    narrow = to_level(np.einsum("xw,fhwc->fhxc", weights, squares.astype(np.float64), optimize=True))
    return to_level(np.einsum("yh,fhxc->fyxc", weights, narrow, optimize=True)).astype(np.uint8)


def triangles(before: int, after: int) -> np.ndarray:
    """Share of each of `before` pixels in each of `after`: `[after, before]`."""
    scale = before / after
    centres = (np.arange(after) + 0.5) * scale
    away = np.abs(np.arange(before) + 0.5 - centres[:, None]) / max(scale, 1.0)
    weights = np.clip(1.0 - away, 0.0, None)
    return weights / weights.sum(axis=1, keepdims=True)


def in_16_bits(weights: np.ndarray) -> np.ndarray:
    """Weights as whole numbers of at most 15 bits and a sign, over a power of two: as exact as that allows."""
    bits = max(bits for bits in range(23) if weights.max() * 2**bits + 0.5 < 2**15)
    return np.floor(weights * 2**bits + 0.5) / 2**bits


def to_level(values: np.ndarray) -> np.ndarray:
    """The nearest level of a byte."""
    return np.floor(values + 0.5).clip(0, 255)


def main(argv: Sequence[str] | None = None) -> int:
    """Answer about files; returns the exit code."""
    parser = argparse.ArgumentParser(description="Name the emotion of clips by an exported model.")
    parser.add_argument("files", nargs="+", help="films, sounds and still pictures")
    parser.add_argument("--model", help="the model (default: model.onnx, or model_int8.onnx, beside this script)")
    parser.add_argument("--yunet_path", help="ONNX file of the YuNet face detector, for a model that wants it")
    args = parser.parse_args(argv)
    beside = [Path(__file__).with_name(name) for name in ("model.onnx", "model_int8.onnx")]
    failed = 0
    try:
        model = ExportedModel(args.model or next(filter(Path.is_file, beside), beside[0]), args.yunet_path)
    except (ValueError, ImportError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    for file in args.files:
        try:
            sys.stdout.write(json.dumps({"file": file, **model(file)}, ensure_ascii=False) + "\n")
        except (ValueError, OSError) as error:
            failed = 1
            sys.stderr.write(f"failed: {error}\n")
    return failed


if __name__ == "__main__":
    sys.exit(main())
