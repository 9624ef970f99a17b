"""YAML files that users write: recipes, variants, search spaces."""

from pathlib import Path
from typing import Any

import yaml

from emofusion.training.errors import ArgumentError


def read_mapping(path: str, named_by: str, expected: str) -> dict[Any, Any]:
    """The mapping in a YAML file.

    Args:
        path (`str`): The file.
        named_by (`str`): Flag that names it, such as `"--ablation "`, for the message that there is no such file.
        expected (`str`): What the file should hold, for the message that it holds something else.

    Raises:
        ArgumentError: No such file, not YAML, or not a mapping.
    """
    if not Path(path).is_file():
        raise ArgumentError(f"{named_by}{path}: no such {'file' if named_by else 'recipe'}")
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{path}: not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ArgumentError(
            f"{path}: expected {expected}, found {'nothing' if content is None else type(content).__name__}"
        )
    return content
