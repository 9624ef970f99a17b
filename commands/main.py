"""The command `emofusion`: finds the verb, and lets it do the rest. What a verb needs is imported by it alone."""

import importlib
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from types import MappingProxyType

from emofusion.training.suggestions import did_you_mean

from .endings import DONE, UsageError, ended

VERBS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "predict": ("predict.verb", "predict", "name the emotion of clips, or follow it through a recording"),
        "info": ("info", "info", "what a model reads, its classes, scores and licence"),
        "explain": ("handed_over", "explain", "what moved an answer: frames, stretches, mel bands"),
        "train": ("handed_over", "train", "train and score a model, as train_hf.py does"),
        "evaluate": ("handed_over", "evaluate", "score a model on a corpus, without training"),
        "compare": ("handed_over", "compare", "put the scores of runs side by side"),
        "serve": ("serve.verb", "serve", "answer by HTTP, for other programs"),
        "export": ("export.verb", "export", "write a model for other runtimes: ONNX, int8, torch.export"),
        "push": ("push.verb", "push", "publish a model on the Hugging Face hub"),
        "data": ("handed_over", "data", "get a corpus, look at it, export it, or make one for trying"),
    }
)
"""By verb: the module here and its function, which takes the words behind the verb, and what it does."""

HELP = """\
usage: emofusion VERB ...

Emotion recognition from sound and picture.

verbs:
{verbs}

examples:
  emofusion predict clip.mp4 --model runs/demo
  emofusion predict recordings --model runs/demo --format csv > answers.csv
  emofusion predict talk.mp4 --model runs/demo --timeline
  emofusion info runs/demo
  emofusion serve --model runs/demo
  emofusion data demo runs/demo_corpus
  emofusion train recipes/demo.yaml --data_dir runs/demo_corpus
  emofusion evaluate --model runs/demo --data_dir RAVDESS --output_dir runs/new
  emofusion compare runs/demo/audio runs/demo
  emofusion push runs/demo you/emofusion-demo --private

`emofusion VERB --help` says more. Results go to standard output, all else to
standard error. Exit code: 0; 1 where something failed, which is named; 2 for
words that are not understood; 130 where it was stopped.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit code.

    Args:
        argv (`Sequence[str]`, *optional*): The words behind `emofusion`; by default those of this process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    return ended(lambda: _run(words))


def _run(words: list[str]) -> int:
    verb = words[0] if words else ""
    if verb in ("-h", "--help", "help"):
        sys.stdout.write(help_text())
        return DONE
    if verb == "--version":
        sys.stdout.write(f"emofusion {version('emofusion')}\n")
        return DONE
    if verb not in VERBS:
        hint = did_you_mean(verb, VERBS, "") if verb else ""
        raise UsageError(f"expected one of {', '.join(VERBS)}, found {verb or 'nothing'}{hint}; see emofusion --help")
    module, function, _ = VERBS[verb]
    return int(getattr(importlib.import_module(f"emofusion.commands.{module}"), function)(words[1:]))


def help_text() -> str:
    """What `emofusion --help` prints."""
    return HELP.format(verbs="\n".join(f"  {verb:9} {does}" for verb, (_, _, does) in VERBS.items()))
