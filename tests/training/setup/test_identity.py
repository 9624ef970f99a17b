"""What makes a run the same run."""

from pathlib import Path

from safetensors.torch import load_file, save_file

from emofusion.training.setup.identity import _digest
from helpers.tiny_models import new_model


def test_start_weights_in_several_files_are_told_apart_too(tmp_path: Path):
    new_model().save_pretrained(tmp_path, max_shard_size="50KB")
    parts = sorted(tmp_path.glob("*.safetensors"))
    assert len(parts) > 1
    before = _digest(str(tmp_path))
    assert before is not None
    weights = load_file(parts[-1])
    name = min(name for name, value in weights.items() if value.is_floating_point())
    save_file({**weights, name: weights[name] + 1}, parts[-1], metadata={"format": "pt"})
    assert _digest(str(tmp_path)) != before
