"""What a run prints at its end."""

from emofusion.evaluation.reports.summary import summary
from helpers.runs.run_records import metrics_of


def test_a_leaky_split_is_not_called_unseen():
    assert "actors SEEN in training (leaky split)" in summary(metrics_of(leaky=True))
    assert "unseen actors" in summary(metrics_of())


def test_intervals_stand_beside_scores():
    metrics = metrics_of()
    low, high = metrics["test_intervals"]["macro_f1"]
    assert f"{metrics['test_macro_f1']:.3f}  95 % {low:.3f} to {high:.3f} over 4 actors  (chance" in summary(metrics)
    assert summary(metrics).count(metrics["corpus"]) == 1
    assert "95 %" not in summary(metrics_of(actors=(17,)))
