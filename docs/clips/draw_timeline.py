"""Draw docs/clips/timeline.png, what the model in the box answers about the drawn clip of the README.

python docs/clips/draw_timeline.py
"""

from pathlib import Path

from transformers import pipeline

from emofusion.evaluation.timelines import save_timeline_picture

REPOSITORY = Path(__file__).resolve().parents[2]
CLIP = Path(__file__).with_name("drawn.mp4")


def main() -> None:
    """Ask and draw."""
    model = REPOSITORY / "models" / "emofusion-small"
    classify = pipeline("audio-visual-emotion-classification", model=str(model), trust_remote_code=True, device="cpu")
    answer = classify(str(CLIP), return_timeline=True)
    save_timeline_picture(answer, CLIP, CLIP.with_name("timeline.png"), title=CLIP.name)


if __name__ == "__main__":
    main()
