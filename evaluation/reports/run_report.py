"""Everything that a finished run leaves beside its weights, in the order that keeps its scores safe.

Predictions come first and then metrics.json, which makes the run a finished one. What illustrates them comes after:
whatever goes wrong there is one warning, and the scores stay. A run that was stopped in between is completed from
its own files.
"""

from pathlib import Path

import pandas as pd

from emofusion.data import Account
from emofusion.data.corpora.builders.image_account import ImageAccount
from emofusion.evaluation.attempts import attempt_all
from emofusion.evaluation.record.metrics_file import save_metrics
from emofusion.evaluation.record.predictions import save_predictions
from emofusion.evaluation.record.run_record import RunRecord
from emofusion.evaluation.run_files import ACCOUNT_FILE, CARD_FILE, RESULTS

from .card import write_card
from .illustrations import history_of, plots_of


def save_run(
    metrics: RunRecord,
    predictions: pd.DataFrame,
    account: Account | ImageAccount,
    folder: Path,
    *,
    license_id: str,
    model_name: str,
) -> list[str]:
    """Write predictions, scores and then what illustrates them.

    Args:
        metrics (`RunRecord`): What metrics.json will hold.
        predictions (`pd.DataFrame`): What predictions.parquet will hold.
        account (`Account` or `ImageAccount`): What was read of the corpus.
        folder (`Path`): Output folder of the run; Trainer's state in it has the curves.
        license_id (`str`): Licence of the weights as the hub spells it.
        model_name (`str`): Name of the model in the card.

    Returns:
        `list[str]`: Files that could not be written; a warning has named each. Predictions and scores are none of
            them: what goes wrong with these is raised.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_results(folder)  # of an earlier run: nothing may speak of other scores than those beside it
    save_predictions(predictions, folder)
    save_metrics(metrics, folder)
    return _illustrate(metrics, account, folder, license_id, model_name)


def complete_run(
    metrics: RunRecord, account: Account | ImageAccount, folder: Path, *, license_id: str, model_name: str
) -> list[str]:
    """Write what a run with scores lacks, because it was stopped after them or its disk was full.

    Nothing is written where nothing is missing. Arguments and result are those of `save_run`.
    """
    expected = (ACCOUNT_FILE, *plots_of(metrics, history_of(folder)), CARD_FILE)
    if all((folder / name).is_file() for name in expected):
        return []
    return _illustrate(metrics, account, folder, license_id, model_name)


def remove_results(folder: Path) -> None:
    """Remove all that speaks of scores: a new training in the folder makes it wrong."""
    for name in RESULTS:
        (folder / name).unlink(missing_ok=True)


def _illustrate(
    metrics: RunRecord, account: Account | ImageAccount, folder: Path, license_id: str, model_name: str
) -> list[str]:
    """Write account, plots and card, each whatever became of the others; returns those that could not be."""
    failed = attempt_all(lambda: {ACCOUNT_FILE: account.save}, folder)
    failed += attempt_all(lambda: plots_of(metrics, history_of(folder)), folder)
    # The card comes last: it shows the plots that lie in the folder.
    return failed + attempt_all(
        lambda: {CARD_FILE: lambda _: write_card(metrics, license_id, folder, model_name)}, folder
    )
