"""The files of an output folder: whoever writes or reads one takes its name from here.

Weights, config and processor have the names that transformers gives them.
"""

# A run.
METRICS_FILE = "metrics.json"
"""The scores, and how they were made. A run that has it is finished."""
PREDICTIONS_FILE = "predictions.parquet"
CARD_FILE = "README.md"
ACCOUNT_FILE = "corpus_account.json"
IDENTITY_FILE = "run.json"
"""What must not change when a training is resumed."""
TRAINER_STATE_FILE = "trainer_state.json"
"""Trainer's own: how far a training is, and its losses and scores on the way. Checkpoints have one, too."""
TRAINING_WEIGHTS_FILE = "training_weights.safetensors"
"""In a checkpoint of an averaged training: the weights that it goes on from; the average is in the model's file."""
TRACKER_FOLDER = "runs"
TRACKER_NAME_FILE = "runs/name.txt"
"""The run's name in trackers, which a resumed run takes again."""
CONFUSION_PLOT = "plots/confusion_matrix.png"
ACTORS_PLOT = "plots/actors.png"
COVERAGE_PLOT = "plots/coverage.png"
ROBUSTNESS_PLOT = "plots/robustness.png"
CURVES_PLOT = "plots/training_curves.png"
GATE_PLOT = "plots/gate.png"
BRANCHES_PLOT = "plots/branches.png"

# Every fold, and variants side by side.
FOLDS_FILE, FOLDS_TABLE = "cross_validation.json", "cross_validation.md"
ABLATION_FILE, ABLATION_TABLE = "ablation.json", "ablation.md"
VARIANTS_PLOT = "plots/variants.png"

# A search.
SEARCH_FILE = "search.json"
BEST_RECIPE_FILE = "best.yaml"
BEST_FOLDER = "best"
"""Where the command that a search prints trains with the best settings."""
STUDY_FILE = "study.db"
TRIALS_PLOT = "plots/trials.png"
IMPORTANCE_PLOT = "plots/importance.png"

RESULTS = (
    METRICS_FILE,
    PREDICTIONS_FILE,
    CONFUSION_PLOT,
    ACTORS_PLOT,
    COVERAGE_PLOT,
    ROBUSTNESS_PLOT,
    GATE_PLOT,
    BRANCHES_PLOT,
    CURVES_PLOT,
    CARD_FILE,
)
"""All that speaks of the scores of a run; a training in the same folder makes them wrong."""
