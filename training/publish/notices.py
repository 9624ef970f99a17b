"""What must be said of a model before it is published, on the terminal and in its card."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from emofusion.evaluation.run_files import METRICS_FILE

from .card_head import licence_in, parts_of, says_nothing

if TYPE_CHECKING:
    from emofusion.data.sources.corpus_record import Corpus

_LIMITS = {"nc": "no commercial use", "nd": "no changes", "sa": "share alike"}
"""What parts of a licence's name forbid or demand; one that lacks them gives more away than was given."""


class Notice(NamedTuple):
    """One thing to be said.

    Attributes:
        words (`str`): What it is, without a full stop.
        known_by (`str`): Pattern of the words by which a card of a training says the same; nothing where none does.
    """

    words: str
    known_by: str = ""


def notices_of(card: str, metrics: Mapping[str, Any]) -> list[Notice]:
    """What is to be said of a model.

    Args:
        card (`str`): Its card.
        metrics (`Mapping`): Its metrics.json; empty where there is none.

    Raises:
        PublishError: The head of the card is no YAML.
    """
    return [*_on_scores(metrics), *_on_licence(licence_in(card), metrics)]


def with_notices(card: str, notices: list[Notice]) -> str:
    """A card that says all of it: what it lacks stands at its beginning."""
    head, body = parts_of(card)
    lacking = [f"> **{notice.words}.**\n\n" for notice in notices if not _says(body, notice)]
    return f"{head}{'' if not lacking or not head else chr(10)}{''.join(lacking)}{body.lstrip() if lacking else body}"


def _says(body: str, notice: Notice) -> bool:
    """Whether a card says it already: in our words, as one does that was pushed, or in those of a training."""
    known = [_words(notice.words), *([notice.known_by] if notice.known_by else [])]
    return any(re.search(pattern, body, re.MULTILINE) for pattern in known)


def _words(text: str) -> str:
    """Pattern of a text, however its lines are broken."""
    return r"\s+".join(map(re.escape, text.split()))


def _on_scores(metrics: Mapping[str, Any]) -> Iterator[Notice]:
    if not any(name.startswith("test_") and name != "test_part" for name in metrics):
        what = f"there is no {METRICS_FILE}" if not metrics else f"{METRICS_FILE} has no score"
        yield Notice(f"Nobody knows how good it is: {what}")
        return
    leaky = metrics.get("leaky", False)
    if leaky:
        yield Notice(
            "Leaky scores: people of the test were seen in training, so every score is inflated",
            r"^> \*\*Leaky split: ",
        )
    elif leaky is None:
        yield Notice(
            "Perhaps leaky scores: nobody knows whether people of the test were seen in training",
            r"^> \*\*(It is not known which \w+ |Nobody knows who is in these clips: )",
        )
    if metrics.get("test_part") == "validation":
        yield Notice(
            "The scores are of the validation split, for no labels of the test split were published",
            r"\bpictures of the published validation split\b",
        )


def _on_licence(licence: str | None, metrics: Mapping[str, Any]) -> Iterator[Notice]:
    names = _learnt_from(metrics)
    if licence is None:
        of = f", and {' and '.join(names)}, which trained it, may ask for one" if names else ""
        yield Notice(
            f"No licence is told: without one nobody may use these weights; put `license:` into the head of the "
            f"card{of}"
        )
        return
    for corpus in _known(names):
        if says_nothing(corpus.license):
            terms = _words(corpus.notice)  # the name alone stands in every card, and says nothing of terms
            yield Notice(f"{corpus.name}, which trained these weights, has terms of its own", terms)
            continue
        kept = licence.split("-")
        lost = [limit for part, limit in _LIMITS.items() if part in corpus.license.split("-") and part not in kept]
        if lost:
            yield Notice(
                f"Contradictory licences: the card says {licence}, and {corpus.name}, which trained these weights, is "
                f"under {corpus.license} ({', '.join(lost)})"
            )


def _learnt_from(metrics: Mapping[str, Any]) -> list[str]:
    """Names of the corpora that the weights learned from."""
    own = [str(metrics["corpus"])] if metrics.get("trained") and metrics.get("corpus") else []
    before = [name for names in (metrics.get("learnt_before") or {}).values() for name in names]
    return list(dict.fromkeys([*own, *before]))


def _known(names: list[str]) -> list["Corpus"]:
    """The corpora among these that we know."""
    from emofusion.data.corpora.registry import CORPORA  # imports datasets, which takes seconds
    from emofusion.data.sources.corpus_record import RECORDS

    known = {corpus.name: corpus for corpus in (*(entry.corpus for entry in CORPORA.values()), *RECORDS.values())}
    return [known[name] for name in names if name in known]
