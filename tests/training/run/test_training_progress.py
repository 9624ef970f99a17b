"""What a training shows."""

from pathlib import Path

import pytest
from transformers import TrainerControl, TrainerState

from emofusion.training.command_line.training_arguments import EmoFusionTrainingArguments
from emofusion.training.run.progress import Progress, line_of


def test_line_names_what_was_measured():
    validation = {
        "eval_loss": 2.261,
        "eval_macro_f1": 0.153,
        "eval_uar": 0.219,
        "eval_accuracy": 0.2,
        "eval_runtime": 9,
    }
    assert line_of(3.0, 1.9042, validation) == (
        "epoch 3: loss 1.904; validation: loss 2.261, macro-F1 0.153, UAR 0.219, accuracy 0.200"
    )
    assert line_of(0.5, 1.9042, {}) == "epoch 0.5: loss 1.904"
    assert line_of(3.0, None, {"eval_loss": 2.261}) == "epoch 3: validation: loss 2.261"


@pytest.mark.parametrize("quiet", [False, True])
def test_each_validation_is_one_line_on_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], quiet: bool
):
    args = EmoFusionTrainingArguments(
        output_dir=str(tmp_path), use_cpu=True, disable_tqdm=quiet, metric_for_best_model="loss"
    )
    state, control, progress = TrainerState(max_steps=8), TrainerControl(), Progress()
    progress.on_train_begin(args, state, control)
    state.global_step, state.epoch = 4, 1.0
    progress.on_step_end(args, state, control)
    control.should_evaluate = True
    progress.on_log(args, state, control, logs={"loss": 2.0, "grad_norm": 1.0})
    progress.on_log(args, state, control, logs={"eval_loss": 1.5})
    control.should_evaluate = False
    progress.on_log(args, state, control, logs={"loss": 1.0})
    progress.on_log(args, state, control, logs={"train_runtime": 12.0, "train_loss": 1.4})
    state.best_metric, state.best_global_step = 1.5, 4
    progress.on_train_end(args, state, control)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "epoch 1: loss 2.000; validation: loss 1.500",
        "epoch 1: loss 1.000",
        "kept: step 4, validation loss 1.500",
    ]
