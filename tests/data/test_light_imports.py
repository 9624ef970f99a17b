"""What only looks, names and downloads imports neither torch nor the model: commands answer, workers start at once."""

import subprocess
import sys

from helpers import REPOSITORY

# Making inputs of clips, decoding them and making spectrograms for an export are what torch is for.
NEEDS_TORCH = ("data.inputs", "data.store.decode", "data.export.npz")


def test_data_is_imported_without_torch_and_the_model():
    files = (path for path in (REPOSITORY / "data").rglob("*.py") if path.name != "__main__.py")
    modules = sorted(".".join(path.relative_to(REPOSITORY).with_suffix("").parts) for path in files)
    light = [f"emofusion.{name.removesuffix('.__init__')}" for name in modules if not name.startswith(NEEDS_TORCH)]
    assert len(light) > 30
    code = f"import sys\nfor name in {light}: __import__(name)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    loaded = set(done.stdout.split())
    assert set(light) <= loaded
    assert loaded & {"torch", "transformers", "emofusion.modeling"} == set()
