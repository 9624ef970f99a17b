"""Verbs that other parts of the house do: what they ask for is handed over, and what they refuse is told alike."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from emofusion.training.errors import ArgumentError, JobError

from .endings import DONE, FailedError, UsageError
from .help_texts import COMPARE, DATA, DATA_VERBS, EVALUATE, EXPLAIN, TRAIN

HELP_FLAGS = frozenset({"-h", "--help"})


def train(words: Sequence[str]) -> int:
    """`emofusion train`: what `train_hf.py` does with these words."""
    if HELP_FLAGS & set(words):
        return _tell(TRAIN)
    from emofusion.training.train import run

    with told_alike(ArgumentError, JobError):
        run(words)
    return DONE


def evaluate(words: Sequence[str]) -> int:
    """`emofusion evaluate`: what `train_hf.py --do_predict` does; `--model` names the checkpoint here, too."""
    if HELP_FLAGS & set(words):
        return _tell(EVALUATE)
    whole = [_whole_name(word) for word in words]
    if not any(word.split("=")[0] == _CHECKPOINT for word in whole):
        raise UsageError("--model is missing: name the folder or the repository of a checkpoint")
    return train([*whole, "--do_predict"])


_CHECKPOINT = "--model_name_or_path"


def _whole_name(word: str) -> str:
    """`--model=DIR` as `--model_name_or_path=DIR`; other words as they are."""
    flag, equals, value = word.partition("=")
    return f"{_CHECKPOINT}{equals}{value}" if flag in ("--model", "--model-name-or-path") else word


def compare(words: Sequence[str]) -> int:
    """`emofusion compare`: the table of `emofusion.evaluation.compare`."""
    if HELP_FLAGS & set(words):
        return _tell(COMPARE)
    from emofusion.evaluation.compare import main

    with told_alike(FileNotFoundError, ValueError):
        main(list(words))
    return DONE


def explain(words: Sequence[str]) -> int:
    """`emofusion explain`: the picture and the numbers of `emofusion.evaluation.explain`."""
    if HELP_FLAGS & set(words):
        return _tell(EXPLAIN)
    from emofusion.evaluation.explain.__main__ import main

    with told_alike(OSError, ValueError):
        main(words)
    return DONE


def data(words: Sequence[str]) -> int:
    """`emofusion data`: a corpus, from its download to its export."""
    verb, rest = (words[0], words[1:]) if words else ("", ())
    if verb in HELP_FLAGS:
        return _tell(DATA)
    if verb not in DATA_VERBS:
        raise UsageError(f"data: expected one of {', '.join(DATA_VERBS)}, found {verb or 'nothing'}")
    if HELP_FLAGS & set(rest):
        return _tell(DATA_VERBS[verb])
    with told_alike(ValueError, OSError, ImportError):
        if verb == "demo":
            from emofusion.data.demo_corpus.__main__ import main as make_demo

            make_demo(rest)
        else:
            from emofusion.data.prepare import main as prepare

            prepare(rest, verb)
    return DONE


def _tell(text: str) -> int:
    sys.stdout.write(text)
    return DONE


@contextmanager
def told_alike(*refusals: type[Exception]) -> Iterator[None]:
    """Turn what a part of the house refuses into an error of the command; one that begins with a flag is about words.

    A closed pipe is an `OSError`, too, and no refusal.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except refusals as error:
        wrong_words = isinstance(error, ArgumentError) or str(error).startswith("--")
        raise (UsageError if wrong_words else FailedError)(str(error)) from error
