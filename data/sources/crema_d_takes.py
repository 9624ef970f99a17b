"""What lies in a CREMA-D folder: its files, paired by name to takes, and an account of what was found."""

from collections import defaultdict

from .account import Account
from .crema_d_names import KNOWN_DEFECTS, WAV_ALONE, CremaDName, all_takes, looks_like_crema_d, parse_name
from .files import CorpusFile, CorpusFiles
from .named_files import AUDIO_ENDINGS, VIDEO_ENDINGS, add_file, named_files, new_account, nothing_found
from .takes import Take

# The corpus' own formats go first. AudioMP3 comes last: some of its files are silent where those of AudioWAV are not.
_PICTURE_KINDS = (".flv", *sorted(VIDEO_ENDINGS - {".flv"}))
_SOUND_KINDS = (".wav", *sorted(AUDIO_ENDINGS - {".wav", ".mp3"}), ".mp3")


def find_takes(files: CorpusFiles) -> tuple[list[Take], Account]:
    """All takes, in the order of their names.

    Picture and sound of a take have the same name. Of several formats the later ones stand in for a broken file; of a
    take that is there twice in one format the first file in order is taken.

    Raises:
        ValueError: No media file under a CREMA-D name.
    """
    account = new_account(files)
    named: dict[CremaDName, dict[str, list[CorpusFile]]] = defaultdict(dict)
    for name, file in named_files(files, account, looks_like_crema_d, parse_name):
        add_file(named[name], file.name.suffix.lower(), file, account)
    if not named:
        raise ValueError(nothing_found(files, account, "crema_d", "VideoFlash/1001_DFA_ANG_XX.flv"))
    takes = [_take(name, formats) for name, formats in sorted(named.items())]
    for take in takes:
        _tell_defects(take, account)
    account.takes = len(takes)
    account.expect([str(name) for name in all_takes()], [take.clip for take in takes])
    return takes, account


def _take(name: CremaDName, formats: dict[str, list[CorpusFile]]) -> Take:
    if str(name) in WAV_ALONE and ".wav" in formats:
        formats = {".wav": formats[".wav"]}
    return Take(
        clip=str(name),
        pictures=tuple(file for kind in _PICTURE_KINDS for file in formats.get(kind, ())),
        sounds=tuple(file for kind in _SOUND_KINDS for file in formats.get(kind, ())),
        facts={
            "emotion": name.emotion_name,
            "actor": name.actor,
            "gender": name.gender,
            "intensity": name.intensity,
            "statement": name.statement,
            "repetition": 1,
            "channel": "speech",
        },
    )


def _tell_defects(take: Take, account: Account) -> None:
    """Note what is known to be wrong with a take."""
    reasons = [
        f"known defect: {file.name.name} stands for {take.clip}" for file in take.files if file.name.stem != take.clip
    ]
    if take.clip in KNOWN_DEFECTS:
        reasons.append(f"known defect: {KNOWN_DEFECTS[take.clip]}")
    if reasons:
        account.notes[take.clip] = reasons
