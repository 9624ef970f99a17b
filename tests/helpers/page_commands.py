"""Runs the commands and the Python code of pages: the same words, on corpora and models of a few clips.

Pages name folders such as `RAVDESS` and `runs/gated`. A stage is a folder in which all of these names exist, so that
what a page says runs there as it is written. What is changed all the same stands in the tables below, with the reason.
"""

import importlib.util
import re
import runpy
import signal
import sys
import tomllib
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import datasets
import pytest
import torch
import yaml

from emofusion.commands.export import verb
from emofusion.commands.export.exporting import RUNNER
from emofusion.commands.main import main as emofusion
from emofusion.commands.push import verb as push_verb
from emofusion.commands.serve import verb as serve_verb
from emofusion.data import prepare
from emofusion.data.demo_corpus import __main__ as demo_corpus
from emofusion.data.download import transfer
from emofusion.evaluation import compare
from emofusion.training.command_line.experiment import split_experiment
from emofusion.training.command_line.flags import run_flags
from emofusion.training.command_line.parser import parse_arguments
from helpers import REPOSITORY
from helpers.corpora.crema_d_files import write_crema_d
from helpers.corpora.openface_files import openface_table, units_of, write_means, write_tracks
from helpers.corpora.own_files import write_voices
from helpers.corpora.picture_files import write_affectnet, write_tree, zip_tree
from helpers.corpora.ravdess_files import make_frames, make_sound, write_corpus, write_media, write_sound
from helpers.runs.unpainted import leave_plots_unpainted
from helpers.servers.hub_server import HubServer, point_at
from helpers.tiny_backbones import save_backbone

RAVDESS = (
    "RAVDESS",
    "path/to/ravdess",
    "../shared/data/ravdess",
    "corpora/animated",
    "corpora/paired",
    "runs/demo_corpus",
    "runs/model/paired",
)
FER = ("fer2013.zip", "../shared/data/fer2013.zip")
CHECKPOINTS = (
    "runs/gated",
    "runs/gated_scores",
    "runs/demo",
    "models/emofusion-small",
    "runs/model/faces",
    "runs/fer",
    "runs/faces",
    "runs/audio",
    "runs/source_audio",
    "runs/fusions_animated_scratch/video/fold_0_seed_42",
    "runs/fusions_paired_scratch/video/fold_0_seed_42",
)
BACKBONES = {"wavlm": "microsoft/wavlm-base-plus", "vit": "google/vit-base-patch16-224-in21k"}
"""Tiny encoders with random weights, in folders that are called as the ones on the hub."""
BEST = ("runs/search/best.yaml", "runs/source_audio-audio/best.yaml")
MEANS = ("action_units.csv", "../shared/data/visual_features/df_average_AUs_total.csv")
SAME = {name: names[0] for names in (RAVDESS, FER, CHECKPOINTS, BEST, MEANS) for name in names}
"""Names that stand for the same tiny corpus, archive, checkpoint, recipe or table; the first is taken for all."""

ONLY_READ = {
    "imagenet": "the weights come from the network; tests/training/setup/test_encoder_weights.py loads a file",
    "onnx": "20 s for each; tests/commands/export/test_exported.py exports one and runs the script beside it",
    "int8": "the same; tests/commands/export/test_export.py fits one to clips",
    "--space": "tests/commands/test_push_space.py pushes one, and starts what came",
    "benchmarks/": "they take minutes; tests/end_to_end/test_benchmarks.py runs them on a few clips",
    "../shared/tools/": "not part of this repository, as the page says",
    "recipes/small.yaml": "it starts from runs of earlier commands, which take hours",
}
"""Words that make a command one that is checked and not run."""

SMALL_MODEL = ["--encoder_width", "8", "--num_frames", "2", "--image_size", "28"]
SMALL_MODEL_OF_MEANS = ["--encoder_width", "8", "--image_size", "28"]  # a table of means has one step a clip
SHORT_TRAINING = ["--max_steps", "1", "--max_train_samples", "8"]
ALWAYS = ["--max_eval_samples", "8", "--report_to", "none", "--disable_tqdm", "true"]
ANY = -1
CHANGED: dict[str, tuple[int, list[str], str]] = {
    # flag of train_hf.py: how many words belong to it, what stands there instead, why
    "--output_dir": (1, [], "each command gets a folder of its own"),
    "--release": (1, ["--release", "model"], "into the folder of the page"),
    "--folds": (ANY, ["--folds", "0"], "several folds go the same way as one"),
    "--cross_validate": (0, ["--cross_validate", "--folds", "0"], "the same"),
    "--seeds": (ANY, ["--seeds", "42"], "and so do several seeds"),
    "--n_trials": (1, ["--n_trials", "1"], "and several trials"),
    "--max_train_samples": (1, [], "there are fewer"),
    "--audio_settings": (1, [], "what it starts from are branches of an earlier command"),
    "--grey": (0, [], "the checkpoint that stands in for all is of colours"),
    **({} if torch.cuda.is_available() else {"--bf16": (0, [], "Trainer refuses it without a GPU")}),
}
OF_EXPORTS: dict[str, tuple[int, list[str], str]] = {
    # the same of emofusion.data.prepare
    "--push_to_hub": (1, [], "there is no hub; tests/data/export pushes to one of its own"),
}


@dataclass(frozen=True)
class Command:
    """A command of one or more pages, in the words in which it runs."""

    words: tuple[str, ...]

    @property
    def rule(self) -> str:
        """The beginning that says how it is run."""
        return next((rule for rule in (*RUN, *CHECKED) if self.words[: len(rule.split())] == tuple(rule.split())), "")

    @property
    def rest(self) -> list[str]:
        """The words behind it."""
        return list(self.words[len(self.rule.split()) :])

    @property
    def only_read(self) -> bool:
        """Whether a word of it keeps it from being run."""
        return any(part in word for word in self.words for part in ONLY_READ)

    @property
    def runs(self) -> bool:
        """Whether it is run, and not only looked at."""
        return self.rule in RUN and not self.only_read


def command_of(words: list[str]) -> Command:
    """The command of a page, ready to run; equal ones are equal."""
    words = without_launcher([SAME.get(word, word) for word in words])
    words[0] = words[0].removeprefix(".venv/bin/")
    if words[:2] == ["python", "train_hf.py"]:
        words = words[:2] + tiny(change(words[2:], CHANGED))
    elif words[:2] in (["emofusion", "train"], ["emofusion", "evaluate"]):
        words = words[:2] + tiny(change(words[2:], CHANGED), trains=words[1] == "train")
    elif words[:3] == ["python", "-m", "emofusion.data.prepare"]:
        words = change(words, OF_EXPORTS)
    return Command(tuple(words))


def without_launcher(words: list[str]) -> list[str]:
    """`accelerate launch [its flags] train_hf.py ...` as `python train_hf.py ...`; its flags are looked at."""
    if words[:2] != ["accelerate", "launch"]:
        return words
    words = [word for word in words if word != "--quiet"]
    start = words.index("train_hf.py")
    flags = dict(zip(words[2:start:2], words[3:start:2], strict=True))
    assert set(flags) <= {"--config_file", "--num_cpu_threads_per_process"}, flags
    assert (REPOSITORY / flags.get("--config_file", "train_hf.py")).is_file(), flags
    return ["python", *words[start:]]


def change(words: list[str], changes: dict[str, tuple[int, list[str], str]]) -> list[str]:
    """Words with some flags as a table has them; flags that the table adds twice stand there once."""
    changed: list[str] = []
    words = list(words)
    while words:
        word = words.pop(0)
        count, instead, _ = changes.get(word, (0, [word], ""))
        while words and count:
            if count == ANY and words[0].startswith("--"):
                break
            words.pop(0)
            count -= count != ANY
        changed += [] if instead and instead[0].startswith("--") and instead[0] in changed else instead
    if changes is CHANGED and changed.count("--folds") > 1:
        last = len(changed) - changed[::-1].index("--folds") - 1
        del changed[last : last + 2]
    return changed


def tiny(words: list[str], trains: bool = True) -> list[str]:
    """A command of train_hf.py that takes seconds."""
    if trains and "--do_predict" not in words:
        small = SMALL_MODEL_OF_MEANS if MEANS[0] in words else SMALL_MODEL
        words = [*words, *SHORT_TRAINING, *([] if "--model_name_or_path" in words else small)]
    return [*words, *ALWAYS]


class Props:
    """Corpora, clips and a checkpoint, made once.

    Args:
        folder (`Path`): An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        actors = (1, 5, 9, 13, 17)  # some in every part of the folds that pages name
        ravdess = write_corpus(folder / "RAVDESS", actors, range(1, 9))
        for stem in ("1001_DFA_ANG_XX", "1002_IEO_HAP_HI"):
            write_crema_d(folder / "CREMA-D", stem, "flv")
        write_affectnet(folder / "AffectNet", {str(number): number for number in range(8)})
        emotions = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
        names = [
            f"{part}/{emotion}/{k}.png"
            for part in ("train", "test", "private_test")
            for emotion in emotions
            for k in (1, 2)
        ]
        fer = zip_tree(write_tree(folder / "pictures", names), folder / "fer2013.zip")
        write_media(folder / "clip.mp4", make_frames(), make_sound())
        write_media(folder / "silent.mp4", make_frames())
        write_sound(folder / "voice.wav", make_sound())
        write_media(folder / "recordings" / "silent.mp4", make_frames())
        stems = [f"01-01-{e:02d}-01-01-01-{a:02d}" for a in actors for e in range(1, 9)]
        write_tracks(folder / "face_tracks", stems)
        write_means(folder / MEANS[0], [stem.replace("01", "03", 1) for stem in stems])
        write_voices(folder / "my_clips")
        (folder / "clip.csv").write_text(openface_table(units_of(3, 102)))
        for name, place in BACKBONES.items():
            save_backbone(name, folder / place)
        made = (
            *BACKBONES.values(),
            "CREMA-D",
            "AffectNet",
            "clip.mp4",
            "silent.mp4",
            "voice.wav",
            "recordings",
            "face_tracks",
            MEANS[0],
            "clip.csv",
            "my_clips",
        )
        self.places = {name: folder / name for name in made}
        self.places |= dict.fromkeys(RAVDESS, ravdess) | dict.fromkeys(FER, fer)
        self.places |= {name: REPOSITORY / name for name in ("recipes", "evaluation", "train_hf.py")}
        self.places |= {"runs/wavlm_random": folder / BACKBONES["wavlm"]}  # docs/results/log.md makes it
        self.places |= {"with_sound.mp4": folder / "clip.mp4", "../shared/data/clips": folder / "recordings"}
        self.train_hf = load_script(REPOSITORY / "train_hf.py")

    def train_a_checkpoint(self) -> None:
        """Train the model that stands in for all that earlier commands of the pages have trained."""
        checkpoint = self.folder / "checkpoint"
        words = ["--data_dir", str(self.folder / "RAVDESS"), "--output_dir", str(checkpoint)]
        with pytest.MonkeyPatch.context() as patch:
            leave_plots_unpainted(patch)
            self.train_hf.main([*tiny(words), "--cache_dir", str(self.folder / "cache")])
        self.places |= dict.fromkeys(CHECKPOINTS, checkpoint)
        self.places |= dict.fromkeys(BEST, REPOSITORY / "recipes" / "audio.yaml")


class Stage:
    """A folder in which the names that pages use exist, as the current one.

    Args:
        place (`Path`): An empty folder.
        props (`Props`): What the names stand for.
        monkeypatch (`pytest.MonkeyPatch`): To leave again.
    """

    def __init__(self, place: Path, props: Props, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.props, self.monkeypatch = place / "here", props, monkeypatch
        for name, target in props.places.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target)
        monkeypatch.chdir(self.folder)
        self.cache = props.folder / "cache"
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", self.cache)
        leave_plots_unpainted(monkeypatch)

    def run(self, command: Command) -> None:
        """Run a command."""
        RUN[command.rule](self, command)

    def run_code(self, code: str, names: dict[str, object], place: str) -> None:
        """Run Python code with the names that earlier code left."""
        exec(compile(code, place, "exec"), names)


def load_script(path: Path) -> ModuleType:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check(command: Command) -> None:
    """Look at a command that is not run."""
    if command.rule == "python train_hf.py":
        _, words = split_experiment([*command.rest, "--output_dir", "out"])
        parse_arguments(words)
    else:
        CHECKED[command.rule](command)


def _train(stage: Stage, command: Command) -> None:
    words = list(command.rest)
    if "--help" in words or "--help_all" in words:
        with pytest.raises(SystemExit):
            stage.props.train_hf.main(command.rest)
        return
    if "--ablation" in words:
        place = words.index("--ablation") + 1
        words[place] = str(shortened_plan(stage, Path(words[place])))
    stage.props.train_hf.main([*words, "--output_dir", str(stage.folder / "out"), "--cache_dir", str(stage.cache)])
    assert any((stage.folder / "out").iterdir())


def shortened_plan(stage: Stage, plan: Path) -> Path:
    """An ablation with no more variants than a comparison needs: one that the last is compared with, and the last."""
    content = yaml.safe_load(plan.read_text(encoding="utf-8"))
    names = list(content["variants"])
    told = [content["reference"]] if isinstance(content["reference"], str) else content["reference"]
    reference = names[-2] if told == ["previous"] else told[0]
    content["variants"] = {name: content["variants"][name] for name in (reference, names[-1])}
    content["reference"] = "previous" if told == ["previous"] else [reference]
    path = stage.folder / plan.name
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def _prepare(stage: Stage, command: Command) -> None:
    stage.monkeypatch.setattr(transfer, "download", lambda files, folder: iter(()))  # the rest of --download is run
    prepare.main([*command.rest, "--cache_dir", str(stage.cache), *SMALL_MODEL[2:]])


def _demo_corpus(stage: Stage, command: Command) -> None:
    few = ["--clips_per_actor", "8", "--actors", "1", "--image_size", "32", "--jobs", "1", "--no_progress"]
    demo_corpus.main([str(stage.folder / "demo"), *command.rest[1:], *few])


def _compare(stage: Stage, command: Command) -> None:
    compare.main(command.rest)


def _emofusion(stage: Stage, command: Command) -> None:
    assert emofusion(command.words[1:]) == 0


def _push(stage: Stage, command: Command) -> None:
    with HubServer(stage.folder / "hub") as hub:
        point_at(hub, stage.folder / "home", stage.monkeypatch)
        words = ["tester/" + word.removeprefix("you/") if word.startswith("you/") else word for word in command.rest]
        assert emofusion(["push", *words]) == 0
        assert ("--dry_run" in words) == (hub.log == [])


def _emofusion_train(stage: Stage, command: Command) -> None:
    out = stage.folder / "out"
    assert emofusion([*command.words[1:], "--output_dir", str(out), "--cache_dir", str(stage.cache)]) == 0
    assert any(out.iterdir())


def _emofusion_data(stage: Stage, command: Command) -> None:
    if command.rest[0] == "demo":
        few = ["--clips_per_actor", "8", "--actors", "1", "--image_size", "32", "--jobs", "1", "--no_progress"]
        assert emofusion(["data", "demo", str(stage.folder / "demo"), *command.rest[2:], *few]) == 0
        return
    stage.monkeypatch.setattr(transfer, "download", lambda files, folder: iter(()))
    reads = [] if command.rest[0] == "download" else ["--cache_dir", str(stage.cache), *SMALL_MODEL[2:]]
    assert emofusion(["data", *command.rest, *reads]) == 0


def _page(stage: Stage, command: Command) -> None:
    from gradio import Blocks  # takes long

    shown = []

    def look(page: Blocks) -> None:
        """In place of waiting for visitors until Ctrl-C."""
        shown.append(urllib.request.urlopen(page.local_url, timeout=60).status)
        page.close()

    stage.monkeypatch.setattr(Blocks, "block_thread", look)
    stage.monkeypatch.setattr(signal, "signal", lambda number, handler: None)  # tests are ended as they were
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED"):
        stage.monkeypatch.setenv(name, "")  # so that what the command says of it is forgotten
    words = list(command.rest)
    if "--port" in words:
        words[words.index("--port") + 1] = "0"  # another may be at that of the page
    stage.monkeypatch.setattr(sys, "argv", ["app.py", *words])
    runpy.run_path(str(REPOSITORY / "app.py"), run_name="__main__")
    assert shown == [200]


def _only_read(command: Command) -> None:
    script = REPOSITORY / command.words[1]
    if script.is_relative_to(REPOSITORY / "benchmarks"):
        text = script.read_text(encoding="utf-8")
        of_training = run_flags() if "load_corpus" in text else ()
        flags = [word for word in command.rest if word.startswith("--")]
        assert all(f'"{flag}"' in text or flag.removeprefix("--") in of_training for flag in flags), flags


def _export_flags(command: Command) -> None:
    _, corpus = verb.make_parser().parse_known_args(command.rest)
    if corpus:
        parse_arguments([*corpus, "--output_dir", "none"])


def _push_flags(command: Command) -> None:
    push_verb.make_parser().parse_args(command.rest)


def _serve(stage: Stage, command: Command) -> None:
    _serve_flags(command)  # it would not end; tests/serving/test_service.py asks it


def _serve_flags(command: Command) -> None:
    serve_verb.make_parser().parse_args(command.rest)


def _of_the_script(command: Command) -> None:
    assert command.words[1] == f"exported/{RUNNER}"


def _npm_pack(command: Command) -> None:
    assert command.rest == [f"onnxruntime-web@{verb.ORT_VERSION}"]


def _file_server(command: Command) -> None:
    assert command.rest == ["--directory", "exported"]  # tests/commands/export/test_web.py opens what lies there


def _make(command: Command) -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^(\w+):", makefile, flags=re.MULTILINE)
    assert set(command.rest) <= set(targets), command.rest


def _pip_install(command: Command) -> None:
    known, words = set(pyproject()["project"]["optional-dependencies"]), list(command.rest)
    for flag, file in zip(words, words[1:], strict=False):
        assert flag != "-c" or (REPOSITORY / file).is_file(), file
    (what,) = [word for word in words if word.startswith(".")]
    extras = re.fullmatch(r"\.(?:\[([\w,]+)\])?", what)
    assert extras is not None, what
    assert set((extras[1] or "").split(",")) - {""} <= known, what


def _pytest(command: Command) -> None:
    markers = [line.split(":")[0] for line in pyproject()["tool"]["pytest"]["ini_options"]["markers"]]
    for flag, word in zip(["", *command.rest], command.rest, strict=False):
        if flag == "-m":
            assert word.removeprefix("not ") in markers, word
        elif not word.startswith("-") and flag != "-n":
            assert (REPOSITORY / word).exists(), word


def _pre_commit(command: Command) -> None:
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    tools = {hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in hooks}
    brought = {re.split(r"[<>=]", line)[0] for line in pyproject()["project"]["optional-dependencies"]["dev"]}
    assert tools
    assert tools <= brought, "make setup does not bring what the hooks call"


def _is_there(command: Command) -> None:
    assert (REPOSITORY / command.words[-1]).is_file(), command.words[-1]


def pyproject() -> dict:
    """What pyproject.toml says."""
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


RUN: dict[str, Callable[[Stage, Command], None]] = {
    "python train_hf.py": _train,
    "python -m emofusion.data.prepare": _prepare,
    "python -m emofusion.data.demo_corpus": _demo_corpus,
    "python -m emofusion.evaluation.compare": _compare,
    "emofusion train": _emofusion_train,
    "emofusion evaluate": _emofusion_train,
    "python app.py": _page,
    "emofusion data": _emofusion_data,
    "emofusion export": _emofusion,
    "emofusion push": _push,
    "emofusion serve": _serve,
    "emofusion": _emofusion,
}
"""How a command begins, and how it is run in this process."""
CHECKED: dict[str, Callable[[Command], None]] = {
    # They change the environment, run everything, take minutes, or wait for somebody: what they name must exist.
    "emofusion export": _export_flags,
    "emofusion push": _push_flags,
    "emofusion serve": _serve_flags,
    "python exported/run_onnx.py": _of_the_script,
    "npm pack": _npm_pack,
    "python -m http.server": _file_server,
    "make": _make,
    "pip install": _pip_install,
    "python -m pytest": _pytest,
    "pre-commit install": _pre_commit,
    "bash .ci/run": _is_there,
    "python docs/tutorials/run_notebooks.py": _is_there,
    "python benchmarks/store_reading.py": _only_read,
    "python benchmarks/store_building.py": _only_read,
    "python benchmarks/window_coverage.py": _only_read,
    "python benchmarks/long_sound.py": _only_read,
    "python benchmarks/long_windows.py": _only_read,
    "python benchmarks/augmentation.py": _only_read,
    "python benchmarks/exported.py": _only_read,
    "python benchmarks/serving.py": _only_read,
    "python ../shared/tools/make_animated_corpus.py": _only_read,
    "python ../shared/tools/make_paired_corpus.py": _only_read,
}
"""How a command begins that is not run, and how it is looked at. One that is in neither table fails the test."""
