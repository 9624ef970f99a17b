"""What a model cannot know, in the words of its card."""

import logging
import re
from functools import cache
from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HFValidationError, RemoteEntryNotFoundError

from emofusion.evaluation.run_files import CARD_FILE

ALWAYS = """\
* It does not understand words, and knows nothing of what came before, of the place or of the people.
* It always names something: about silence, music, animals or a wall, too. Of several people it sees one.
"""
"""What holds for every model of this package."""
WITHOUT_CARD = """\
* It names the emotion that a clip resembles. What somebody feels it cannot know.
* It has no card: nobody says on whom it was tested. It must not be used to judge people.
"""
UNREAD_CARD = """\
* It names the emotion that a clip resembles. What somebody feels it cannot know.
* Its card cannot be read now: open the page again later for what it says. It must not be used to judge people.
"""
logger = logging.getLogger(__name__)


def limits_of(model: str) -> str:
    """What a model cannot know and must not be used for, as Markdown.

    Args:
        model (`str`): Folder or hub name of a checkpoint.
    """
    try:
        card, otherwise = _card(model), WITHOUT_CARD
    except Exception as error:  # whatever the client of the hub stumbles over, such as a network that is gone
        logger.warning("%s: its card cannot be read now (%s)", model, error)
        card, otherwise = "", UNREAD_CARD
    warning = re.search(r"^> \*\*(.+?)\*\*$", card, flags=re.MULTILINE)
    section = re.search(r"^## Limits and misuse\n+(.*?)(?=^#|\Z)", card, flags=re.MULTILINE | re.DOTALL)
    text = f"**{warning[1].replace(' and all scores below', '')}**\n\n" if warning else ""
    text += ALWAYS + (section[1] if section else otherwise)
    text = re.sub(r" \([^()[]*\[[^\]]+\]\(#[^)]*\)\)", "", text)  # (more: [Training](#training))
    text = re.sub(r"; see above[^.\n]*", "", text)  # nor what stands above in it
    return re.sub(r"\[([^\]]+)\]\(#[^)]*\)", r"\1", text).strip()  # parts of the card are not here


@cache
def _card(model: str) -> str:
    """The text of a card, which is read once; empty where there is none. What it raises is not remembered."""
    folder = Path(model)
    if folder.is_dir():
        path = folder / CARD_FILE
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    try:
        return Path(hf_hub_download(model, CARD_FILE)).read_text(encoding="utf-8", errors="replace")
    except (RemoteEntryNotFoundError, HFValidationError):
        return ""
