"""Where the text of the model card is: `model_card.md`, written once, at the top of the repository."""

from importlib.resources import files
from pathlib import Path

_NAME = "model_card.md"


def card_template() -> str:
    """The text: in a wheel it lies beside this module (setup.py puts it there), in a checkout at the top level.

    Raises:
        FileNotFoundError: It is in neither place.
    """
    installed = files(__package__).joinpath(_NAME)
    if installed.is_file():
        return installed.read_text(encoding="utf-8")
    return (Path(__file__).resolve().parents[2] / _NAME).read_text(encoding="utf-8")
