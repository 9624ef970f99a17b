"""`--eval_on_start`: weights that a run begins with are a checkpoint, too, and may be the best."""

from typing import Any

from transformers import Trainer
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR


class StartCounts(Trainer):
    """Trainer that keeps what it began with where validation actors do not gain from training it on."""

    def _evaluate(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
        metrics = super()._evaluate(trial, *args, **kwargs)
        if self.args.eval_on_start and self.args.load_best_model_at_end and self.state.global_step == 0:
            self._determine_best_metric(metrics=metrics, trial=trial)
            # Trainer takes step 0 for no step, and would not name it.
            self.state.best_model_checkpoint = f"{self._get_output_dir(trial=trial)}/{PREFIX_CHECKPOINT_DIR}-0"
            self._save_checkpoint(self.model, trial)
        return metrics
