"""Help of the verbs that other parts of the house do.

It is written down here, because their parsers take seconds to import; tests hold that it names the flags there are.
"""

from collections.abc import Mapping
from types import MappingProxyType

TRAIN = """\
usage: emofusion train [RECIPE.yaml] --data_dir DIR [--output_dir OUT] ...

Train a model and score it on actors that it has never seen. It is what
`train_hf.py` does, with the same flags; a recipe gives defaults for them.

  --data_dir DIR         the clips, at any depth, or zip archives of them
  --output_dir OUT       weights, scores and card (by default runs/RECIPE)
  --corpus NAME          which corpus it is (default: ravdess)
  --fusion NAME          late, concat, gated, xattn; or audio, video alone
  --branches_first       sound and picture by themselves first, then both
  --protocol NAME        who trains, validates and tests; --fold N: which part
  --cross_validate       every fold; --ablation PLAN: variants side by side;
                         --search SPACE: the best settings
  --release FOLDER       with --cross_validate: then a model that everybody
                         trains, to give away
  --model_name_or_path X weights to begin with
  --num_train_epochs N, --learning_rate X, --per_device_train_batch_size N,
  --seed N, --bf16, --use_cpu and whatever else transformers' Trainer takes
  --resume_from_checkpoint latest
                         go on where the same command was stopped
  --help_all             all flags, with what they do (takes a few seconds)

examples:
  emofusion data demo runs/demo_corpus
  emofusion train recipes/demo.yaml --data_dir runs/demo_corpus
  emofusion train recipes/gated.yaml --data_dir RAVDESS --bf16
"""

EVALUATE = """\
usage: emofusion evaluate --model DIR_OR_REPO --data_dir DIR ...

Score a model on a corpus, without training: scores with intervals and chance,
per class and actor, with missing and damaged input; metrics.json and a card.
It is `train_hf.py --do_predict`, and takes its flags.

  --model X              folder or hub repository of a checkpoint
                         (also: --model_name_or_path)
  --data_dir DIR         the clips, at any depth, or zip archives of them
  --output_dir OUT       where scores go
  --corpus NAME          which corpus it is (default: ravdess)
  --protocol NAME        whose test actors are scored; --fold N: which part
  --cache_dir DIR        where decoded clips are kept
  --help_all             all flags (takes a few seconds)

example:
  emofusion evaluate --model runs/gated --data_dir RAVDESS --output_dir runs/new
"""

COMPARE = """\
usage: emofusion compare [--branches] RUN ...

Print one Markdown table of the scores of runs, with intervals and chance.

  RUN                    output folders of emofusion train or evaluate
  --branches             put the branches of each fusion above it

examples:
  emofusion compare runs/audio runs/gated
  emofusion compare --branches runs/demo
"""

EXPLAIN = """\
usage: emofusion explain CLIP --model DIR_OR_REPO ...

Which frames, which stretch of sound and which mel bands moved the answer of a
model, and how much each modality did: by hiding them, and by gradients.

  CLIP                   a media file
  --model X              folder or hub repository of a checkpoint
  --label NAME           explain this class (default: the most likely one)
  --output_dir OUT       where explanation.png and explanation.json go
                         (default: explanation)

example:
  emofusion explain clip.mp4 --model runs/demo --output_dir runs/why
"""

DATA = """\
usage: emofusion data VERB ...

Get a corpus, look at it, export it, or make one for trying.

verbs:
  download   fetch RAVDESS from its official record
  inspect    what is there, missing or odd, and which protocols it allows
  export     write it, decoded, as Parquet or npz, and push that to the hub
  prepare    all of these in one command
  demo       make a corpus of drawn faces and oscillator voices

examples:
  emofusion data demo runs/demo_corpus
  emofusion data download audio_speech --data_dir RAVDESS
  emofusion data inspect --data_dir RAVDESS
  emofusion data export --data_dir RAVDESS --export_parquet exported
"""

_DECODING = """\
  --cache_dir DIR        where decoded clips are kept (default: with datasets)
  --channel WHICH        speech, song or both (default: speech)
  --num_frames N         frames of a clip (default: 8)
  --image_size N         side of a frame in pixels (default: 112)
  --window RULE          which 3 seconds of a longer clip: voice, center or
                         start (default: voice)
  --face_crop HOW        cut frames to the face: none, haar or yunet
  --face_tracks PATH     the official OpenFace tracks, in place of finding
                         faces; without --face_crop they give action units
  --yunet_path FILE      ONNX file of the detector, for --face_crop yunet
"""

_FETCHING = """\
  --actors N ...         whose videos are fetched, such as 1-4 7
"""

_LOOKING = """\
  --strict               end with an error if anything is missing or unreadable
  --account FILE         write the account of what was read, as JSON
  --contact_sheets DIR   one picture per actor, with all of their clips
"""

_WRITING = """\
  --export_parquet DIR   a folder that plain load_dataset reads
  --export_npz DIR       one npz file per clip
  --push_to_hub NAME     push the --export_parquet folder to this repository
  --public               make that public; RAVDESS is CC BY-NC-SA 4.0
"""

_WHERE = """\
  --data_dir DIR         RAVDESS at any depth, or zip archives of it (required)
"""

DATA_VERBS: Mapping[str, str] = MappingProxyType(
    {
        "prepare": f"""\
usage: emofusion data prepare --data_dir DIR ...

Get RAVDESS ready, see what is there, and export it: what download, inspect and
export do, in one command.

{_WHERE}\
  --download [PART ...]  fetch parts first, as `emofusion data download` does
{_FETCHING}{_DECODING}{_LOOKING}{_WRITING}
example:
  emofusion data prepare --data_dir RAVDESS --contact_sheets sheets
""",
        "inspect": f"""\
usage: emofusion data inspect --data_dir DIR ...

Decode RAVDESS (once; what is decoded is kept) and tell what is there, what is
missing or odd, and which protocols it is enough for.

{_WHERE}{_DECODING}{_LOOKING}
examples:
  emofusion data inspect --data_dir RAVDESS
  emofusion data inspect --data_dir RAVDESS --contact_sheets sheets
""",
        "export": f"""\
usage: emofusion data export --data_dir DIR --export_parquet DIR ...

Write RAVDESS, decoded, as a folder that others read, and push it to the hub.

{_WHERE}{_DECODING}{_WRITING}
example:
  emofusion data export --data_dir RAVDESS --export_parquet exported
""",
        "download": f"""\
usage: emofusion data download [PART ...] --data_dir DIR ...

Fetch parts of the official record of RAVDESS. Repeat the command to go on where
it was stopped; what is there is checked and kept.

  PART                   audio_speech, audio_song, video_speech, video_song,
                         face_tracks (default: audio_speech video_speech)
{_WHERE}{_FETCHING}
example:
  emofusion data download video_speech --actors 1-4 --data_dir RAVDESS
""",
        "demo": """\
usage: emofusion data demo OUT ...

Make the synthetic demo corpus: RAVDESS-named mp4 files of drawn faces and
oscillator voices. Scores on it say nothing about people. An interrupted command
is simply repeated.

  OUT                    folder for Actor_NN/*.mp4
  --clips_per_actor N    1..60, spread evenly over the emotions (default: 24)
  --actors N ...         out of 1..24, odd ones are male (default: all)
  --image_size N         side of the picture in pixels, even (default: 112)
  --fps N                frames per second, 5..60 (default: 10)
  --seed N               same seed, same clips (default: 42)
  --jobs N               processes (default: one per core)
  --no_progress          show no progress bar

example:
  emofusion data demo runs/demo_corpus --clips_per_actor 8
""",
    }
)
"""By the verb of `emofusion data`."""
