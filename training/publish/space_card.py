"""The README of a Space: whose licence stands in its head, and what is said of code and weights below."""

from collections.abc import Sequence
from typing import Any

import yaml

from emofusion.evaluation.run_files import CARD_FILE

from .card_head import LICENCE_FIELDS, fields_of, licence_in, parts_of
from .contents import LICENCE_FILES, Part

MODEL_FOLDER, CODE_FOLDER = "model", "emofusion"
_ON_CODE = f"The code, `app.py` and the folder `{CODE_FOLDER}`, is under Apache-2.0 ([text]({CODE_FOLDER}/LICENSE))."


def readme_with_name(readme: str, model: str) -> bytes:
    """The README of a Space whose model is on the hub; its licence is that of the code, for nothing else lies there.

    Args:
        readme (`str`): That of the code.
        model (`str`): Name of the model.
    """
    words = f"The model, `{model}`, does not lie here: its own card says under which licence it is."
    return _readme(readme, {"models": [model]}, words)


def readme_with_model(readme: str, files: Sequence[Part]) -> bytes:
    """The README of a Space in which a model lies; its licence is that of the model, or none.

    Args:
        readme (`str`): That of the code.
        files (`Sequence[Part]`): The model's own.

    Raises:
        PublishError: The head of the model's card is no YAML.
    """
    card = _card_of(files)
    licence, its_card = licence_in(card), f"[its card]({MODEL_FOLDER}/{CARD_FILE})"
    if licence is None:
        words = f"has no licence in {its_card}, and without one nobody may use its weights."
        fields = dict.fromkeys(LICENCE_FIELDS)
    else:
        words = f"is under `{licence}`, as {its_card} says; the head of this page names the same."
        fields = {name: fields_of(card).get(name) for name in LICENCE_FIELDS}
        if "://" not in str(fields["license_link"]) and not licence_file(files):
            fields["license_link"] = None  # it would lead nowhere
    return _readme(readme, fields, f"The model, in the folder `{MODEL_FOLDER}`, {words}")


def licence_file(files: Sequence[Part]) -> list[Part]:
    """The file that the card of a model names by `license_link`: as the head of the Space does, it lies at the top.

    Args:
        files (`Sequence[Part]`): The model's own, or none.
    """
    link = fields_of(_card_of(files)).get("license_link") if files else None
    return [part for part in files if part.name == link and part.name in LICENCE_FILES]


def _card_of(files: Sequence[Part]) -> str:
    (card,) = [part for part in files if part.name == CARD_FILE]
    return (card.source if isinstance(card.source, bytes) else card.source.read_bytes()).decode()


def _readme(readme: str, fields: dict[str, Any], on_model: str) -> bytes:
    """A README with other fields in its head, without those of None, and with words on licences at its end."""
    _, body = parts_of(readme)
    data = {name: value for name, value in (fields_of(readme) | fields).items() if value is not None}
    head = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n{body.rstrip()}\n\n## Licences\n\n{_ON_CODE} {on_model}\n".encode()
