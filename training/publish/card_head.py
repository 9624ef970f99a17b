"""The head of a card, between its lines `---`: what it says of a licence."""

import re
from typing import Any

import yaml

from emofusion.evaluation.run_files import CARD_FILE
from emofusion.training.errors import PublishError

LICENCE_FIELDS = ("license", "license_name", "license_link")
"""By which the hub knows a licence; the last two where it has no name for it."""
_UNTOLD = (None, "", "other", "unknown")


def parts_of(card: str) -> tuple[str, str]:
    """The head with its lines `---`, empty where there is none, and what stands below."""
    found = re.match(r"---\s*\n.*?\n---[ \t]*(?:\n|$)", card, re.DOTALL)
    return (found[0], card[found.end() :]) if found else ("", card)


def fields_of(card: str) -> dict[str, Any]:
    """What the head says, by name.

    Raises:
        PublishError: It is no YAML.
    """
    head, _ = parts_of(card)
    try:
        fields = yaml.safe_load(head.removeprefix("---").rpartition("---")[0])
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise PublishError(f"{CARD_FILE}: its head, between the lines ---, is no YAML: {reason}") from error
    return fields if isinstance(fields, dict) else {}


def licence_in(card: str) -> str | None:
    """The licence of a card, or its address; None where it names none, or one that says nothing.

    Raises:
        PublishError: The head is no YAML.
    """
    fields = fields_of(card)
    named = fields.get("license")
    if says_nothing(named):
        named = fields.get("license_name") or fields.get("license_link")
    return None if says_nothing(named) else str(named)


def says_nothing(licence: Any) -> bool:
    """Whether a licence so named leaves open what may be done."""
    return licence in _UNTOLD
