#!/usr/bin/env python
"""Train and score an emofusion model.

On a laptop, on the synthetic demo corpus:
    python -m emofusion.data.demo_corpus runs/demo_corpus
    python train_hf.py recipes/demo.yaml --data_dir runs/demo_corpus --output_dir runs/demo
On a GPU, mixed precision:
    accelerate launch train_hf.py recipes/gated.yaml --data_dir RAVDESS --output_dir runs/gated --bf16
Score a checkpoint on a corpus without training:
    python train_hf.py --model_name_or_path runs/gated --do_predict --data_dir RAVDESS --output_dir runs/gated_scores
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub.errors import StrictDataclassError
from transformers import set_seed

from emofusion.evaluation import card, report
from emofusion.training.recipes import parse_arguments
from emofusion.training.run import Run, predict_test, prepare, train

CARD_TEMPLATE = Path(__file__).with_name("model_card.md")


def main(argv: Sequence[str]) -> None:
    """Prepare, train, score the test actors once, save, push."""
    try:
        model_args, data_args, args = parse_arguments(argv)
        set_seed(args.seed)
        run = prepare(model_args, data_args, args)
    except (ValueError, OSError, StrictDataclassError) as error:  # wrong flags, recipe, checkpoint or corpus
        sys.exit(f"error: {error}")

    if run.trainer.is_world_process_zero():
        print(run.account.table())
    metrics = run.record()
    if run.trains:
        metrics |= train(run)
    prediction = predict_test(run)
    metrics |= report.test_metrics(prediction, run.config.num_labels)
    if run.trainer.is_world_process_zero():
        save(run, metrics, prediction)
    if args.push_to_hub:
        run.trainer.push_to_hub()


def save(run: Run, metrics: dict, prediction: report.PredictionOutput) -> None:
    """Write scores, predictions, plots and card into the output folder, and print the scores."""
    folder = Path(run.args.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    report.save_metrics(metrics, folder)
    report.save_plots(metrics, run.trainer.state.log_history, folder)
    card.write_card(metrics, run.corpus.license, CARD_TEMPLATE, folder, model_name=run.model_name)
    table = report.predictions_table(run.splits["test"], prediction, run.config.id2label)
    report.save_predictions(table, folder)
    run.account.save(folder / "corpus_account.json")
    print(report.summary(metrics))
    print(f"{'weights, ' if run.trains else ''}scores, plots and card: {folder}")


if __name__ == "__main__":
    main(sys.argv[1:])
