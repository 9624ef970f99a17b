"""A decoded corpus as Parquet with a card, on disk and on a hub, and as NumPy files."""

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Value, load_dataset
from huggingface_hub import DatasetCard

import emofusion.data  # noqa: F401  # registers the builder
from emofusion.data.corpora.ravdess import RAVDESS
from emofusion.data.export.dataset_card import MARK, configurations
from emofusion.data.export.npz import export_npz
from emofusion.data.export.parquet import ROWS_PER_FILE, export_parquet, push_parquet
from emofusion.data.protocols import LEAKY, PROTOCOLS, SPLITS, Fold, fold, usable_folds
from emofusion.data.sources.corpus_record import Corpus
from emofusion.data.store.arrow_parts import STORE_FEATURES
from emofusion.data.store.settings import DecodeSettings
from emofusion.modeling import EMOTIONS, EmoFusionFeatureExtractor
from helpers.corpora.ravdess_files import write_corpus, write_named
from helpers.runs.forked import PROCESSES
from helpers.servers.hub_server import HubServer

SETTINGS = DecodeSettings(num_frames=2, frame_size=32)
ACTORS = (1, 2, 5, 6, 10, 13, 17, 21)
SYNTHETIC = Corpus("synthetic test corpus", "apache-2.0", synthetic=True, notice="Drawn by a test.\nNobody acted.")
SOUND_ONLY, PICTURE_ONLY = "01-05-01-01-01-01", "01-06-01-01-01-05"

FRESH = """
import gc, hashlib, json, sys
from datasets import load_dataset

def digest(data):
    return None if data is None else hashlib.sha256(data).hexdigest()

def show(rows):
    found = [[row["clip"], digest(row["frames"]), digest(row["audio"]), row["label"], row["actor"]] for row in rows]
    return {"features": repr(dict(rows.features)), "rows": sorted(found)}
"""
SHOW = """
out = {name or "default": {split: show(rows) for split, rows in load_dataset(PATH, name).items()} for name in NAMES}
out["streaming"] = {split: show(rows) for split, rows in load_dataset(PATH, streaming=True).items()}
gc.collect()  # ends pyarrow's threads before Python does, else it may abort (huggingface/datasets issue 7566)
assert "emofusion" not in sys.modules
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> Dataset:
    """Three clips with sound and picture of each actor; besides, one without a picture and one without sound."""
    root = tmp_path_factory.mktemp("publish")
    corpus = write_corpus(root / "corpus", actors=ACTORS)
    write_named(corpus, f"03-{SOUND_ONLY}", "wav", seed=5)
    write_named(corpus, f"02-{PICTURE_ONLY}", "silent.mp4", seed=6)
    return load_dataset(
        "ravdess", data_dir=str(corpus), split="all", cache_dir=str(root / "cache"), num_frames=2, frame_size=32
    )


@pytest.fixture(scope="module")
def exported(rows: Dataset, tmp_path_factory) -> Path:
    return export(rows, tmp_path_factory.mktemp("exported") / "decoded")


def export(rows: Dataset, folder: Path, corpus: Corpus = RAVDESS, settings: DecodeSettings = SETTINGS) -> Path:
    return export_parquet(
        rows, folder, corpus=corpus, account_summary="26 clips, all read", decode_settings=settings, progress=False
    )


def made_rows(actors=ACTORS, clips: int = 2, side: int = 8, seed: int = 0) -> Dataset:
    """Rows of noise, as many as wanted; `SMALL` are their settings."""
    generator = np.random.default_rng(seed)
    blank = {"string": "", "int32": 0, "bool": True}
    table = [
        {
            **{name: blank.get(feature.dtype) for name, feature in STORE_FEATURES.items()},
            "clip": f"01-01-01-01-{take:03d}-{actor:02d}",
            "frames": generator.bytes(4 * side * side * 3),
            "audio": generator.bytes(200),
            "actor": actor,
            "label": take % 2,
        }
        for actor in actors
        for take in range(clips)
    ]
    features = Features(STORE_FEATURES | {"label": ClassLabel(names=["neutral", "happy"])})
    return Dataset.from_list(table, features=features)


SMALL = DecodeSettings(num_frames=2, frame_size=8)


def digest(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def expected(rows: Dataset, actors) -> list[list]:
    """What the code of FRESH shows of these actors' clips."""
    return sorted(
        [row["clip"], digest(row["frames"]), digest(row["audio"]), row["label"], row["actor"]]
        for row in rows
        if row["actor"] in actors
    )


def split_table(rows: Dataset, part: Fold) -> dict[str, list[list]]:
    return {split: expected(rows, getattr(part, split)) for split in SPLITS}


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """Without a way to this package, nor to anybody's cache or token."""
    foreign = ("HF_", "HUGGING", "TRANSFORMERS_", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, "HF_HOME": str(home), "OMP_NUM_THREADS": "1", "USE_TORCH": "0", **more}


def run_python(code: str, cwd: Path, env: dict[str, str]) -> str:
    cwd.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=cwd, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-6000:]}"
    return done.stdout


def body(folder: Path) -> str:
    return DatasetCard.load(folder / "README.md").text


def actors_of(paths: list[str]) -> frozenset[int]:
    return frozenset(int(re.fullmatch(r"data/actor-(\d\d)-\*\.parquet", path)[1]) for path in paths)


def test_plain_datasets_loads_every_frame_and_sound(rows: Dataset, exported: Path, tmp_path: Path):
    code = f"{FRESH}\nPATH, NAMES = {str(exported)!r}, [None, 'msaf6-fold1', 'chumachenko']\n{SHOW}"
    env = clean_environment(tmp_path / "home", HF_HUB_OFFLINE="1")
    found = json.loads(run_python(code, tmp_path / "elsewhere", env).splitlines()[-1])

    holdout = Fold(train=frozenset({1, 2, 5, 6, 10, 21}), validation=frozenset({13}), test=frozenset({17}))
    # The next group (9-12) validates: of it actor 10 is there.
    msaf6 = Fold(train=frozenset({1, 2, 13, 17, 21}), validation=frozenset({10}), test=frozenset({5, 6}))
    chumachenko = Fold(train=frozenset({1, 2, 6, 17, 21}), validation=frozenset({13}), test=frozenset({5, 10}))
    named = {"default": holdout, "msaf6-fold1": msaf6, "chumachenko": chumachenko, "streaming": holdout}
    for name, part in named.items():
        assert {split: shown["rows"] for split, shown in found[name].items()} == split_table(rows, part), name
        for shown in found[name].values():
            assert repr(ClassLabel(names=list(EMOTIONS))) in shown["features"]
            assert shown["features"] == found["default"]["train"]["features"]
    assert sum(len(shown["rows"]) for shown in found["default"].values()) == len(rows) == 26
    held = dict(zip(rows["clip"], zip(rows["frames"], rows["audio"], strict=True), strict=True))
    assert held[SOUND_ONLY][0] is None and held[PICTURE_ONLY][1] is None, "both kinds of gaps were in it"


def test_configurations_are_the_protocols(rows: Dataset, exported: Path):
    data = DatasetCard.load(exported / "README.md").data
    configs = {
        config["config_name"]: {split["split"]: split["path"] for split in config["data_files"]}
        for config in data.configs
    }
    wanted = {"default": usable_folds("holdout", ACTORS)[0][0]}
    for name in ("luna5", "msaf6", "emobox6"):
        wanted |= {f"{name}-fold{k}": part for k, part in usable_folds(name, ACTORS)[0].items()}
    wanted["chumachenko"] = usable_folds("chumachenko", ACTORS)[0][0]
    assert configs.keys() == wanted.keys()
    assert len([name for name in configs if name.startswith("msaf6")]) == 6
    assert "emobox6-fold1" not in configs, "its test actors are not there"
    assert not [name for name in configs if LEAKY in name or "loso" in name]

    on_disk = {path.relative_to(exported).as_posix() for path in (exported / "data").iterdir()}
    for name, files in configs.items():
        parts = {split: actors_of(paths) for split, paths in files.items()}
        assert parts == {split: getattr(wanted[name], split) for split in SPLITS}, name
        matched = [path for paths in files.values() for pattern in paths for path in exported.glob(pattern)]
        assert sorted(path.relative_to(exported).as_posix() for path in matched) == sorted(on_disk), "each file once"
    clips = [clip for path in on_disk for clip in pq.read_table(exported / path, columns=["clip"])["clip"].to_pylist()]
    assert sorted(clips) == sorted(rows["clip"]), "each clip once"


def test_columns_tell_every_protocol(rows: Dataset, exported: Path, tmp_path: Path):
    loaded = load_dataset(str(exported), cache_dir=str(tmp_path))
    assert not [name for name in loaded["train"].column_names if LEAKY in name]
    for split, part in loaded.items():
        for row in part.remove_columns(["frames", "audio"]):
            actor = row["actor"]
            assert row["holdout_split"] == split
            assert row["chumachenko_split"] == fold("chumachenko").part_of(actor)
            for name in ("luna5", "msaf6", "emobox6", "loso"):
                assert actor in PROTOCOLS[name][row[f"{name}_fold"]].test, name
    assert loaded["test"].features["loso_fold"] == Value("int32")
    source = {row["clip"]: row for row in rows.remove_columns(["frames", "audio"])}
    for row in loaded["train"].remove_columns(["frames", "audio"]):
        assert {name: row[name] for name in source[row["clip"]]} == source[row["clip"]], "other columns are kept"


def test_exporting_an_export_gives_the_same(exported: Path, tmp_path: Path):
    loaded = load_dataset(str(exported), split="train+validation+test", cache_dir=str(tmp_path / "cache"))
    again = export(loaded, tmp_path / "again")
    for path in (exported / "data").iterdir():
        assert pq.read_table(path).equals(pq.read_table(again / "data" / path.name))


def test_card_of_real_clips(exported: Path):
    card = DatasetCard.load(exported / "README.md")
    assert (card.data.license, card.data.size_categories) == ("cc-by-nc-sa-4.0", "n<1K")
    assert card.data.task_categories == ["audio-classification", "video-classification"]
    assert card.data.pretty_name == "RAVDESS: decoded clips" and "synthetic" not in card.data.tags
    splits = {split["name"]: split["num_examples"] for split in card.data.dataset_info["splits"]}
    assert splits == {"train": 20, "validation": 3, "test": 3}
    for words in (
        "Non-commercial",
        "Share alike",
        "doi:10.5281/zenodo.1188976",
        "uint8 `[4, 32, 32, 3]`",
        "26 clips, all read",
        "Split by actor, never by clip",
        "| `default` (holdout) | 1-2, 5-6, 10, 21 (20 clips) | 13 (3 clips) | 17 (3 clips) |",
        "| 9 | 13 (3 clips) | 10 (3 clips) |",  # leave one subject out, actor 10
        "emobox6 fold 1 is refused",
        "EmoBox",
        "Luna-Jimenez",
        "Chumachenko",
        "MSAF",
    ):
        assert words in card.text, words
    assert card.text.strip().startswith("# RAVDESS")
    prose = re.sub(r"```python\n.*?```", "", card.content, flags=re.DOTALL)
    assert not re.search(r"\{\{|\}\}|\{%|%\}|\bNone\b|see the code", prose), "a placeholder is left"
    assert "|  |" not in prose, "a column is not explained"
    assert LEAKY not in card.content


def test_card_of_synthetic_clips_says_so_first(tmp_path: Path):
    folder = export(made_rows(), tmp_path / "out", corpus=SYNTHETIC, settings=SMALL)
    data, text = DatasetCard.load(folder / "README.md").data, body(folder).strip()
    assert text.startswith("> **Not the original recordings: synthetic test corpus.")
    assert text.splitlines()[0].endswith("Drawn by a test. Nobody acted.")
    assert data.license == "apache-2.0" and "synthetic" in data.tags
    assert "NC" not in text and "North American" not in text


def test_code_of_the_card_runs(exported: Path, tmp_path: Path):
    (code,) = re.findall(r"```python\n(.*?)```", body(exported), re.DOTALL)
    code += "\nimport sys; assert 'emofusion' not in sys.modules"
    code += "\nprint(frames.shape, frames.dtype, audio.shape, audio.dtype)"
    env = clean_environment(tmp_path / "home", HF_HUB_OFFLINE="1")
    lines = run_python(code, exported.parent, env).splitlines()  # it names the folder, so it runs beside it
    assert lines[-2:] == ["01-01-01-01-01-01 neutral", "(4, 32, 32, 3) uint8 (48000,) int16"]


def test_streaming_reads_no_more_than_it_needs(tmp_path: Path):
    rows = made_rows(clips=2 * ROWS_PER_FILE + 1)
    folder = export(rows, tmp_path / "out", settings=SMALL)
    files = [pq.ParquetFile(folder / f"data/actor-01-{number:02d}.parquet").metadata for number in range(3)]
    assert [(file.num_row_groups, file.num_rows) for file in files] == [(1, ROWS_PER_FILE), (1, ROWS_PER_FILE), (1, 1)]
    assert {file.row_group(0).column(column).compression for file in files for column in (1, 2)} == {"ZSTD"}

    (folder / "data/actor-01-02.parquet").write_bytes(b"no parquet")
    for path in (folder / "data").glob("actor-0[2-6]*"):  # all other actors of the training split but two
        path.write_bytes(b"no parquet")
    stream = iter(load_dataset(str(folder), split="train", streaming=True))
    wanted = [row[0] for row in expected(rows, {1})][: 2 * ROWS_PER_FILE]
    assert [next(stream)["clip"] for _ in wanted] == wanted
    with pytest.raises(Exception):  # noqa: B017  # the damage is there, and whose error it is does not matter
        next(stream)


def _export_many(folder: Path) -> None:
    export(made_rows(range(1, 25), clips=40, side=64), folder, settings=DecodeSettings(num_frames=2, frame_size=64))


def test_killed_export_leaves_nothing_and_the_next_one_succeeds(tmp_path: Path):
    folder = tmp_path / "out"
    process = PROCESSES.Process(target=_export_many, args=(folder,))
    process.start()
    deadline = time.monotonic() + 120
    while not list(tmp_path.rglob("actor-03-*.parquet")):
        assert time.monotonic() < deadline and process.is_alive(), "it never began, or was done too soon"
        time.sleep(0.002)
    process.kill()
    process.join()
    assert not folder.exists()
    export(made_rows(), folder, settings=SMALL)
    assert len(list(folder.glob("data/*"))) == len(ACTORS)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["out"], "what was left is gone"


def test_failed_export_leaves_the_older_one(tmp_path: Path):
    folder = export(made_rows(), tmp_path / "out", settings=SMALL)
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    broken = made_rows(seed=1).to_list()
    broken[-1]["frames"] = broken[-1]["frames"][:-1]
    broken = Dataset.from_list(broken, features=made_rows().features)
    with pytest.raises(
        ValueError, match=r"^clip 01-01-01-01-001-21: expected 4 stored frames of 8 x 8 pixels, found 767 bytes;"
    ):
        export(broken, folder, settings=SMALL)
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["out"]


def test_export_replaces_exports_only(tmp_path: Path):
    folder = tmp_path / "out"
    folder.mkdir()
    export(made_rows(), folder, settings=SMALL)  # an empty folder may be there
    export(made_rows(actors=(1, 13)), folder, settings=SMALL)
    assert sorted(path.name for path in (folder / "data").iterdir()) == ["actor-01-00.parquet", "actor-13-00.parquet"]
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"out: holds notes.txt, which this export did not write; name another"):
        export(made_rows(), folder, settings=SMALL)
    assert (folder / "notes.txt").read_text() == "mine"

    other = tmp_path / "other"
    other.mkdir()
    (other / "README.md").write_text("# Somebody's project")
    with pytest.raises(FileExistsError, match="other: holds README.md"):
        export(made_rows(), other, settings=SMALL)
    with pytest.raises(FileExistsError, match="README.md: a file, expected a folder"):
        export(made_rows(), other / "README.md", settings=SMALL)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda rows: rows.remove_columns(["audio", "label"]), r"^rows: no column audio, label \(found clip, "),
        (lambda rows: rows.select([]), r"^rows: no clip in them"),
        (lambda rows: datasets.concatenate_datasets([rows, rows]), r"^rows: clip 01-01-01-01-000-01 is there twice"),
        (
            lambda rows: datasets.DatasetDict({"train": rows}),
            r'^rows: expected one Dataset, found DatasetDict; .*"all"',
        ),
        (lambda rows: rows.cast_column("label", Value("int64")), r"^rows: column label must be a ClassLabel"),
        (lambda rows: made_rows(actors=(1, 25)), r"^rows: column actor holds 25, but the protocols know actors 1-24"),
    ],
)
def test_bad_rows_are_refused(change, message: str, tmp_path: Path):
    bad = change(made_rows())
    with pytest.raises(ValueError, match=message):
        export(bad, tmp_path / "out", settings=SMALL)
    with pytest.raises(ValueError, match=message):
        export_npz(bad, tmp_path / "npz", corpus=RAVDESS, decode_settings=SMALL, progress=False)
    assert not list(tmp_path.iterdir())


def test_few_actors_still_load(tmp_path: Path):
    folder = export(made_rows(actors=(1, 2)), tmp_path / "out", settings=SMALL)
    loaded = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert {split: len(part) for split, part in loaded.items()} == {"train": 4}
    assert re.search(r"^\* holdout fold 0 .*validation actors \(13-16\)", body(folder), re.MULTILINE)
    assert "Protocol `loso`" not in body(folder), "no fold of it is left"
    assert "| `default` (holdout) | 1-2 (4 clips) | none | none |" in body(folder)


def test_whole_corpus_has_every_fold():
    found, left_out = configurations(range(1, 25))
    assert len(found) == 1 + 5 + 6 + 6 + 1 and not left_out
    for name, part in found.items():
        protocol, _, k = name.replace("default", "holdout").partition("-fold")
        assert part == fold(protocol, int(k or 0)), name


@pytest.mark.slow
def test_push_to_a_hub_and_load_from_there(rows: Dataset, tmp_path: Path):
    exported = export(rows, tmp_path / "decoded")
    push = """
    import sys
    from pathlib import Path
    from emofusion.data.export.parquet import push_parquet
    print(push_parquet(Path(FOLDER), "tester/decoded"))
    """
    with HubServer(tmp_path / "hub") as hub:
        outer = {**os.environ, **hub.env, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        assert (
            run_python(push.replace("FOLDER", repr(str(exported))), tmp_path / "a", outer).strip()
            == f"{hub.endpoint}/datasets/tester/decoded"
        )
        assert [commit["title"] for commit in hub.commits("tester/decoded", "dataset")][1:] == ["initial commit"]
        assert hub.repo("datasets", "tester/decoded").state["private"] is True
        files = hub.files("tester/decoded", "dataset")
        del files[".gitattributes"]
        on_disk = {path.relative_to(exported).as_posix(): path.read_bytes() for path in exported.rglob("*.*")}
        assert files == on_disk
        assert 'load_dataset("tester/decoded", split="train"' in files["README.md"].decode()

        code = f"{FRESH}\nPATH, NAMES = 'tester/decoded', [None, 'msaf6-fold1']\n{SHOW}"
        env = clean_environment(tmp_path / "other_home", **hub.env)
        found = json.loads(run_python(code, tmp_path / "b", env).splitlines()[-1])
        holdout, msaf6 = usable_folds("holdout", ACTORS)[0][0], usable_folds("msaf6", ACTORS)[0][1]
        for name, part in {"default": holdout, "msaf6-fold1": msaf6, "streaming": holdout}.items():
            assert {split: shown["rows"] for split, shown in found[name].items()} == split_table(rows, part), name
        (snippet,) = re.findall(r"```python\n(.*?)```", files["README.md"].decode(), re.DOTALL)
        assert "01-01-01-01-01-01 neutral" in run_python(snippet, tmp_path / "b", env)

        fewer = export(rows.filter(lambda actor: actor != 21, input_columns="actor"), tmp_path / "fewer")
        refused = """
        from huggingface_hub import HfApi
        HfApi().create_repo("tester/open", repo_type="dataset")
        try:
            push_parquet(Path(FOLDER), "tester/open")
        except ValueError as error:
            print(error)
        """
        code = (textwrap.dedent(push) + textwrap.dedent(refused)).replace("FOLDER", repr(str(fewer)))
        said = run_python(code, tmp_path / "a", outer)
        assert len(hub.commits("tester/decoded", "dataset")) == 3
        assert "data/actor-21-00.parquet" not in hub.files("tester/decoded", "dataset")
        assert "data/actor-01-00.parquet" in hub.files("tester/decoded", "dataset")
        assert "tester/open: private=True, but this repository exists and is public" in said
        assert set(hub.files("tester/open", "dataset")) == {".gitattributes"}
        assert not [line for line in hub.log if "Traceback" in line]


def test_push_takes_exports_only(tmp_path: Path):
    (tmp_path / "README.md").write_text("# Mine")
    with pytest.raises(ValueError, match="not written by export_parquet; export the corpus first"):
        push_parquet(tmp_path, "tester/x")


def test_npz_holds_every_clip(rows: Dataset, tmp_path: Path):
    index = export_npz(rows, tmp_path / "npz", corpus=RAVDESS, decode_settings=SETTINGS, progress=False)
    with index.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert sorted(line["clip"] for line in lines) == sorted(rows["clip"])
    by_clip = {row["clip"]: row for row in rows}
    extractor = EmoFusionFeatureExtractor()
    for line in lines:
        row = by_clip[line["clip"]]
        assert line["file"] == f"Actor_{row['actor']:02d}/{row['clip']}.npz"
        assert (line["label_name"], line["has_video"]) == (row["emotion"], str(row["has_video"]))
        with np.load(index.parent / line["file"], allow_pickle=False) as clip:
            held = {name: clip[name] for name in clip}
        assert ("frames" in held, "audio" in held, "log_mel" in held) == (
            row["has_video"],
            row["has_audio"],
            row["has_audio"],
        )
        assert not {"audio_before", "audio_after"} & {*held, *line}  # they are for training
        if row["has_video"]:
            assert (held["frames"].shape, held["frames"].dtype) == ((4, 32, 32, 3), np.uint8)
            assert held["frames"].tobytes() == row["frames"]
        if row["has_audio"]:
            assert held["audio"].dtype == np.int16 and held["audio"].tobytes() == row["audio"]
            wanted = extractor(held["audio"] / np.float32(32768), sampling_rate=16_000, return_tensors="np")
            assert (held["log_mel"].shape, held["log_mel"].dtype) == ((64, 188), np.float32)
            np.testing.assert_array_equal(held["log_mel"], wanted["input_features"][0])
        assert (int(held["label"]), str(held["label_name"]), int(held["actor"])) == (
            row["label"],
            row["emotion"],
            row["actor"],
        )
        assert int(held["sampling_rate"]) == 16_000
    assert "CC BY-NC-SA" in (index.parent / "NOTICE.txt").read_text()


def test_npz_goes_on_where_it_was(tmp_path: Path):
    rows, folder = made_rows(), tmp_path / "npz"
    broken = rows.to_list()
    broken[-1]["frames"] = b"123"
    with pytest.raises(
        ValueError, match=r"^clip 01-01-01-01-001-21: expected 4 stored frames of 8 x 8 pixels, found 3 bytes;"
    ):
        export_npz(
            Dataset.from_list(broken, features=rows.features),
            folder,
            corpus=SYNTHETIC,
            decode_settings=SMALL,
            progress=False,
        )
    done = sorted(folder.rglob("*.npz"))
    assert len(done) == len(rows) - 1 and not (folder / "index.csv").exists()

    damaged = done[0]
    damaged.write_bytes(damaged.read_bytes()[:-30])
    before = {path: path.stat().st_mtime_ns for path in done}
    index = export_npz(rows, folder, corpus=SYNTHETIC, decode_settings=SMALL, progress=False)
    changed = [path for path in done if path.stat().st_mtime_ns != before[path]]
    assert changed == [damaged]
    with np.load(damaged) as clip:
        assert clip["audio"].tobytes() == rows[0]["audio"]
    assert len(index.read_text().splitlines()) == len(rows) + 1
    assert not list(folder.rglob(".*")), "no temporary is left"

    extractor = EmoFusionFeatureExtractor(feature_size=32)
    export_npz(rows, folder, corpus=SYNTHETIC, decode_settings=SMALL, feature_extractor=extractor, progress=False)
    with np.load(done[3]) as clip:
        assert clip["log_mel"].shape == (32, 188), "other settings, other files"


def test_npz_of_another_corpus_in_the_folder_is_refused_and_kept(tmp_path: Path):
    rows, folder = made_rows(), tmp_path / "npz"
    export_npz(rows, folder, corpus=SYNTHETIC, decode_settings=SMALL, progress=False)
    files = sorted(folder.rglob("*.*"))
    with pytest.raises(ValueError, match=rf"npz: holds {len(rows) - 2} clips of another export, such as "):
        export_npz(rows.select(range(2)), folder, corpus=SYNTHETIC, decode_settings=SMALL, progress=False)
    assert sorted(folder.rglob("*.*")) == files


def test_marks_agree(exported: Path):
    assert body(exported).rstrip().endswith(MARK)
