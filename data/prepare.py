"""Get RAVDESS ready, see what is there, and export it.

python -m emofusion.data.prepare --data_dir RAVDESS --download audio_speech video_speech --actors 1-4
python -m emofusion.data.prepare --data_dir RAVDESS --face_crop haar --contact_sheets sheets
python -m emofusion.data.prepare --data_dir RAVDESS --export_parquet exported --push_to_hub you/ravdess-clips
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType

import datasets

from emofusion.data.corpora.ravdess import Ravdess
from emofusion.data.download.record_files import PARTS, describe_size, files_of
from emofusion.data.sources.account import Account
from emofusion.data.sources.ravdess_takes import CHANNEL_CHOICES
from emofusion.data.store.settings import IMAGE_SIZE, DecodeOptions

from .protocols import ACTORS, CHOICES, EVERYONE, LEAKY, numbers, usable_folds

_FOLDERS = ("contact_sheets", "export_parquet", "export_npz")
VERBS: Mapping[str, str] = MappingProxyType(
    {
        "prepare": "Get RAVDESS ready, see what is there, and export it.",
        "download": "Fetch parts of the official record of RAVDESS, and go on where that was stopped.",
        "inspect": "Tell what is there of RAVDESS, what is missing or odd, and which protocols it is enough for.",
        "export": "Write RAVDESS, decoded, as a folder that others read.",
    }
)
"""What `emofusion data` can be asked for; the first does all that the others do."""
_NOTHING = {
    "download": None,
    "actors": None,
    "strict": False,
    "account": None,
    "contact_sheets": None,
    "export_parquet": None,
    "export_npz": None,
    "push_to_hub": None,
    "public": False,
}
"""Flags that not every verb has, as they are where they are not given."""


def main(argv: Sequence[str], verb: str = "prepare") -> None:
    """Download, decode, tell what is there, export: each as far as it is asked for.

    Args:
        argv (`Sequence[str]`): The words of the command line.
        verb (`str`): Which of `VERBS`; each but the first knows only its own flags.

    Raises:
        ValueError, OSError, ImportError: What keeps it from being done, in one line; flags have their name there.
    """
    args = _read_words(argv, verb)
    try:
        if verb == "download":
            _download(args)
        else:
            _prepare(args)
    except ValueError as error:
        option = re.match(r"\w+", str(error))  # of the builder, which knows nothing of flags
        if option is None or option[0] not in vars(args):
            raise
        raise ValueError(f"--{error}") from error


def _prepare(args: argparse.Namespace) -> None:
    if args.download is not None:
        _download(args)
    builder = _builder(args)
    builder.download_and_prepare(tell=False)  # decodes, which takes minutes the first time
    rows = builder.as_dataset("all")
    _tell(args, builder.account, rows)
    _export(args, builder, rows)
    if args.strict:
        builder.account.refuse_gaps(args.data_dir)


def _read_words(argv: Sequence[str], verb: str) -> argparse.Namespace:
    """The flags; one that does nothing without another one is a mistake.

    Raises:
        ValueError: Such a flag, or one with an impossible value.
    """
    args = _parser(verb).parse_args(argv)
    for name, value in vars(args).items():
        if isinstance(value, Path):
            setattr(args, name, value.expanduser())
    unknown = [part for part in args.download or () if part not in PARTS]
    if unknown:
        raise ValueError(f"--download: unknown {unknown[0]!r}; the choices are {', '.join(PARTS)}")
    if verb == "download":
        return args
    if args.image_size < 1:
        raise ValueError(f"--image_size {args.image_size}: expected pixels, 1 or more")
    if args.account is not None and args.account.is_dir():
        raise ValueError(f"--account {args.account}: a folder; name a file, such as {args.account / 'account.json'}")
    for name in _FOLDERS:
        folder = getattr(args, name)
        if folder is not None and folder.is_file():
            raise ValueError(f"--{name} {folder}: a file; name a folder, or one that is not there yet")
    pictures = next((name for name in _FOLDERS if getattr(args, name)), None)
    if args.face_tracks and args.face_crop == "none" and pictures:
        raise ValueError(
            f"--face_tracks: without --face_crop they are action units in place of frames, and --{pictures} is of "
            "frames; add --face_crop haar, or leave one of them out"
        )
    if args.yunet_path and args.face_crop != "yunet":
        raise ValueError("--yunet_path: it does nothing without --face_crop yunet")
    if verb == "export" and not (args.export_parquet or args.export_npz):
        raise ValueError("--export_parquet or --export_npz is missing: name the folder that is to be written")
    if args.push_to_hub and not args.export_parquet:
        raise ValueError("--push_to_hub: name the folder that is pushed with --export_parquet")
    if args.public and not args.push_to_hub:
        raise ValueError("--public: it says how --push_to_hub makes the repository, and there is none")
    if args.actors is not None and args.download is None:
        raise ValueError("--actors: it chooses the videos that --download fetches, and there is none")
    return args


def actor_numbers(words: Sequence[str]) -> list[int]:
    """`["1-3", "7"]` to `[1, 2, 3, 7]`.

    Raises:
        ValueError: A word that is neither a number nor a range, or one with an actor who is not in RAVDESS.
    """
    found: list[int] = []
    for word in words:
        first, dash, last = word.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(f"--actors: expected numbers or ranges such as 1-4 7, found {word!r}")
        if dash and int(last) < int(first):
            raise ValueError(f"--actors: the range {word} runs backwards")
        found += range(int(first), int(last or first) + 1)
    if not set(found) <= ACTORS:
        raise ValueError(f"--actors: there is no actor {min(set(found) - ACTORS)}; RAVDESS has {numbers(ACTORS)}")
    return found


def _parser(verb: str) -> argparse.ArgumentParser:
    everything = verb == "prepare"
    parser = argparse.ArgumentParser(
        prog="python -m emofusion.data.prepare" if everything else f"emofusion data {verb}",
        description=VERBS[verb],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(**_NOTHING)
    add = parser.add_argument
    if verb == "download":
        add("download", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: audio_speech video_speech)")
    add("--data_dir", type=Path, required=True, help="folder with RAVDESS files at any depth, or zip archives of them")
    if everything:
        add(
            "--download",
            nargs="*",
            metavar="PART",
            help=f"fetch parts of the official record into --data_dir first: {', '.join(PARTS)} (without a name: "
            "audio_speech video_speech)",
        )
    if everything or verb == "download":
        add("--actors", nargs="+", metavar="N", help="whose videos are fetched, such as 1-4 7; sound comes whole")
    if verb != "download":
        _add_decoding(add)
    if everything or verb == "inspect":
        add("--strict", action="store_true", help="end with an error if anything is missing or unreadable")
        add("--account", type=Path, metavar="FILE", help="write the account of what was read, all of it, as JSON")
        add("--contact_sheets", type=Path, metavar="DIR", help="write one picture per actor with all of their clips")
    if everything or verb == "export":
        add("--export_parquet", type=Path, metavar="DIR", help="write a folder that plain load_dataset reads")
        add("--export_npz", type=Path, metavar="DIR", help="write one npz file per clip")
        add("--push_to_hub", metavar="NAME", help="push the --export_parquet folder to this dataset repository")
        add("--public", action="store_true", help="make the pushed repository public; RAVDESS is CC BY-NC-SA 4.0")
    return parser


def _add_decoding(add: Callable[..., object]) -> None:
    """Flags of how clips are read."""
    add("--cache_dir", type=Path, help="where decoded clips are kept; by default the cache of datasets")
    add("--channel", choices=CHANNEL_CHOICES, default="speech", help="speech, song or both")
    add("--image_size", type=int, default=IMAGE_SIZE, help="side of a frame in pixels")
    for option in fields(DecodeOptions):
        if "help" in option.metadata:
            add(f"--{option.name}", type=type(option.default), default=option.default, **option.metadata)
    add(
        "--face_tracks",
        help="folder with the official OpenFace tracks, taken instead of finding faces; without --face_crop that, or "
        "a CSV of their means, for action units",
    )
    add("--yunet_path", help="ONNX file of the YuNet detector, for --face_crop yunet")


def _download(args: argparse.Namespace) -> None:
    from .download.transfer import download

    parts = args.download or ["audio_speech", "video_speech"]
    files = files_of(parts, None if args.actors is None else actor_numbers(args.actors))
    if args.actors is not None and any(not part.startswith("video") for part in parts):
        _say("sound and face tracks come in one file for all actors")
    _say(describe_size(files))
    for file in download(files, args.data_dir):
        _say(f"{file.name}: {file.state}")


def _builder(args: argparse.Namespace) -> Ravdess:
    """The corpus; nothing of it is decoded here."""
    if not args.data_dir.exists():
        raise FileNotFoundError(
            f"--data_dir {args.data_dir}: no such folder or file; `emofusion data download` fetches the corpus into it"
        )
    from emofusion.modeling.faces_emofusion import stored_size

    return datasets.load_dataset_builder(
        "ravdess",
        data_dir=str(args.data_dir),
        cache_dir=None if args.cache_dir is None else str(args.cache_dir),
        channel=args.channel,
        num_frames=args.num_frames,
        frame_size=stored_size(args.image_size),
        window=args.window,
        face_crop=args.face_crop,
        face_tracks=args.face_tracks,
        yunet_path=args.yunet_path,
    )


def _tell(args: argparse.Namespace, account: Account, rows: datasets.Dataset) -> None:
    """What was found, and what it is enough for."""
    _say(account.table())
    _say(_protocol_table(set(rows["actor"])))
    if args.account:
        account.save(args.account)
        _say(f"account: {args.account}")


def _export(args: argparse.Namespace, builder: Ravdess, rows: datasets.Dataset) -> None:
    from .export.contact_sheets import write_contact_sheets
    from .export.npz import export_npz
    from .export.parquet import export_parquet, push_parquet

    settings = builder.config.decode_settings
    if args.contact_sheets:
        sheets = write_contact_sheets(rows, args.contact_sheets, settings)
        _say(
            f"{len(sheets)} contact sheets: {args.contact_sheets}"
            if sheets
            else "no contact sheet: no clip has a picture"
        )
    if args.export_npz:
        export_npz(rows, args.export_npz, corpus=builder.corpus, decode_settings=settings)
        _say(f"npz files: {args.export_npz}")
    if args.export_parquet:
        export_parquet(
            rows,
            args.export_parquet,
            corpus=builder.corpus,
            account_summary=builder.account.summary(),
            decode_settings=settings,
        )
        _say(f"dataset folder: {args.export_parquet}")
    if args.push_to_hub:
        _say(push_parquet(args.export_parquet, args.push_to_hub, private=not args.public))


_ODD = {
    LEAKY: "; it leaks: every actor is in training and test",
    EVERYONE: "; every actor trains, and nobody is left to score a model on",
}


def _protocol_table(present: set[int]) -> str:
    """Which folds can be used with the actors that are there."""
    lines = ["protocol       folds that can be used"]
    for name in CHOICES:
        usable, refused = usable_folds(name, present)
        lines.append(f"{name:13}  {len(usable)} of {len(usable) + len(refused)}{_ODD.get(name, '')}")
        if refused:
            k, reason = next(iter(refused.items()))
            more = f" (and {len(refused) - 1} more folds)" if len(refused) > 1 else ""
            lines[-1] += f"; {reason}{more}"
    return "\n".join(lines)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"error: {error}")
