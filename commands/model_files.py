"""The small files of a model, in a folder or in a repository of the hub; its weights are not read."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from emofusion.evaluation.run_files import CARD_FILE, METRICS_FILE

from .endings import FailedError

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"


def expanded(model: str) -> str:
    """A folder that begins with ~ in full; names of repositories stay as they are."""
    return str(Path(model).expanduser()) if model.startswith("~") else model


@dataclass(frozen=True)
class ModelFiles:
    """Where the files of a model are looked for.

    Attributes:
        model (`str`): A folder, or a repository of the hub (`name/model`).
    """

    model: str

    def config(self) -> dict[str, Any]:
        """Content of config.json.

        Raises:
            FailedError: There is no such model, or it is none of emofusion.
        """
        text = self._text(CONFIG_FILE)
        if text is None:
            raise FailedError(f"{self.model}: expected a checkpoint, found no {CONFIG_FILE} in it; name its folder")
        config = _object(text, f"{self.model}/{CONFIG_FILE}")
        kind = config.get("model_type")
        if kind != "emofusion":
            raise FailedError(
                f"{self.model}: expected a model of emofusion, found model_type {kind!r} in {CONFIG_FILE}; name the "
                "folder or the repository of a checkpoint that emofusion wrote"
            )
        return config

    def metrics(self) -> dict[str, Any] | None:
        """Content of metrics.json; None where there is none."""
        text = self._text(METRICS_FILE)
        return None if text is None else _object(text, f"{self.model}/{METRICS_FILE}")

    def card_data(self) -> dict[str, Any]:
        """What stands for machines at the beginning of the card; empty where there is none."""
        text = self._text(CARD_FILE) or ""
        if not text.startswith("---\n"):
            return {}
        try:
            found = yaml.safe_load(text.split("---\n")[1])
        except yaml.YAMLError as error:
            raise FailedError(f"{self.model}/{CARD_FILE}: its first lines are no YAML ({error})") from error
        return found if isinstance(found, dict) else {}

    def bytes_of_weights(self) -> int | None:
        """Size of the weights; None where they are not there."""
        if self._local:
            path = Path(self.model, WEIGHTS_FILE)
            return path.stat().st_size if path.is_file() else None
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.errors import HfHubHTTPError

        try:
            return get_hf_file_metadata(hf_hub_url(self.model, WEIGHTS_FILE)).size
        except (HfHubHTTPError, OSError):
            return None  # without a network, or in parts

    @property
    def _local(self) -> bool:
        return Path(self.model).expanduser().exists()

    def _text(self, name: str) -> str | None:
        path = Path(self.model).expanduser() / name if self._local else self._of_hub(name)
        if path is None or not path.is_file():
            return None
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            raise FailedError(f"{path}: cannot be read ({error})") from error

    def _of_hub(self, name: str) -> Path | None:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, HFValidationError, LocalEntryNotFoundError

        try:
            return Path(hf_hub_download(self.model, name))
        except (EntryNotFoundError, HFValidationError, OSError) as error:
            # Without a network, a repository whose config was fetched once may lack the other files.
            offline = isinstance(error, LocalEntryNotFoundError)
            if isinstance(error, EntryNotFoundError) and not (offline and name == CONFIG_FILE):
                return None
            reason = str(error).strip().splitlines()[0]
            raise FailedError(
                f"{self.model}: no such folder, and no repository of the hub that can be read ({reason}); check the "
                "name, or log in with `hf auth login`"
            ) from error


def _object(text: str, name: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise FailedError(f"{name}: not valid JSON ({error})") from error
    if not isinstance(found, dict):
        raise FailedError(f"{name}: expected a JSON object, found {type(found).__name__}")
    return found
