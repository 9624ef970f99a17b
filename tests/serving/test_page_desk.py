"""The desk of the page, with a real model and one process that decodes: who waits, who goes first, who is let go."""

import asyncio
import shutil
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from emofusion.serving.limits import DEFAULTS
from emofusion.serving.page import layout
from emofusion.serving.page.desk import Desk
from emofusion.serving.page.layout import Handlers
from emofusion.serving.refused import Refused
from helpers.corpora.ravdess_files import make_sound, write_sound
from helpers.tiny_checkpoint import FOLDER

pytestmark = pytest.mark.slow
PATIENCE_S = 120  # on a machine that has much else to do
READING, LOOKING = "Reading the clip", "Looking and listening"


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with closing(Desk([str(FOLDER)], DEFAULTS)) as desk:
        yield desk


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    write_sound(path, make_sound(seconds=30.0))
    return path


class Visitors:
    """Visitors with one clip, and what they are told, in the order in which they are told."""

    def __init__(self, desk: Desk, clip: Path) -> None:
        self.desk, self.clip = desk, clip
        self.told: list[tuple[str, str]] = []

    def asks(self, name: str, heard: Callable[[str], None] = lambda what: None) -> asyncio.Task:
        """Somebody asks about a timeline; what he `heard` may keep the one who tells it waiting."""

        def tell(done: float | None, what: str) -> None:
            self.told.append((name, what))
            heard(what)

        return asyncio.create_task(self.desk.answer(self.clip, FOLDER.name, 0.5, tell))

    def heard_by(self, name: str) -> list[str]:
        return [what for who, what in self.told if who == name]


def held_at(what: str) -> tuple[Callable[[str], None], Callable[[], Coroutine[Any, Any, None]], threading.Event]:
    """For a visitor who is held when he hears that: what he hears with, what waits for it, what lets him go."""
    reached, let_go = threading.Event(), threading.Event()

    def heard(now: str) -> None:
        if now == what:
            reached.set()
            let_go.wait()

    async def come_to_that() -> None:
        assert await asyncio.to_thread(reached.wait, PATIENCE_S)

    return heard, come_to_that, let_go


def test_as_many_are_answered_at_once_as_there_are_processes(desk: Desk, clip: Path):
    visitors = Visitors(desk, clip)
    heard, reached, let_go = held_at(READING)

    async def run() -> None:
        first = visitors.asks("first", heard)
        await reached()
        second = visitors.asks("second", lambda what: let_go.set())
        await asyncio.gather(first, second)

    asyncio.run(run())
    assert desk.at_once == 1
    assert visitors.heard_by("second")[0] == "Waiting for its turn"
    began = visitors.told.index(("second", READING))
    assert {name for name, _ in visitors.told[began:]} == {"second"}


def test_cancelled_question_ends_with_its_window_and_the_next_is_answered(desk: Desk, clip: Path):
    visitors = Visitors(desk, clip)
    heard, reached, let_go = held_at(LOOKING)

    async def run() -> dict[str, Any]:
        first = visitors.asks("first", heard)
        await reached()
        await cancelled(first)
        let_go.set()
        answer, _ = await visitors.asks("second")
        return answer

    assert len(asyncio.run(run())["timeline"]) > 16  # more than are looked at together
    assert visitors.heard_by("first").count(LOOKING) == 1
    began = visitors.told.index(("second", READING))
    assert {name for name, _ in visitors.told[began:]} == {"second"}


def test_question_that_is_cancelled_while_it_waits_is_never_begun(desk: Desk, clip: Path):
    visitors = Visitors(desk, clip)
    heard, reached, let_go = held_at(READING)

    async def run() -> None:
        first = visitors.asks("first", heard)
        await reached()
        second = visitors.asks("second")
        await asyncio.sleep(0)  # now it waits
        await cancelled(second)
        let_go.set()
        await asyncio.gather(first, visitors.asks("third"))

    asyncio.run(run())
    assert visitors.heard_by("second") == ["Waiting for its turn"]


def test_listener_ends_the_work(desk: Desk, clip: Path):
    def enough(what: str) -> None:
        if what == LOOKING:
            raise Refused(499, "enough")

    async def run() -> None:
        visitors = Visitors(desk, clip)
        with pytest.raises(Refused, match="enough"):
            await visitors.asks("first", enough)
        await visitors.asks("second")

    asyncio.run(run())


def test_model_that_is_not_there_is_refused(desk: Desk, clip: Path):
    with pytest.raises(Refused) as refused:
        asyncio.run(desk.answer(clip, str(FOLDER), None, lambda done, what: None))  # its place is no name
    assert refused.value.status == 400


async def cancelled(task: asyncio.Task) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("keep", [False, True])
def test_clip_that_comes_while_the_answer_is_drawn_stays(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: bool
):
    old, new = (write_sound(tmp_path / name / "clip.wav", make_sound(seconds=3.0)) for name in ("old", "new"))
    do, visitor, draw = Handlers(desk), SimpleNamespace(session_hash="visitor"), layout.drawn

    def drawn(*given: Any) -> Any:
        do.sound_given(None, str(new), visitor)
        return draw(*given)

    monkeypatch.setattr(layout, "drawn", drawn)
    do.sound_given(None, str(old), visitor)
    told = lambda *now: None  # noqa: E731
    shown = asyncio.run(do.ask(None, str(old), FOLDER.name, False, 1.0, keep, visitor, told))
    assert shown == layout.skipped(layout.ANSWER + 2)
    assert (old.exists(), new.exists()) == (False, True)


def test_model_with_damaged_weights_is_told_in_words(tmp_path: Path):
    folder = tmp_path / "model"
    shutil.copytree(FOLDER, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(OSError, match="its weights are damaged"):
        Desk([str(folder)], DEFAULTS)


def test_nothing_is_loaded_for_a_page_that_is_closed(clip: Path):
    desk = Desk([str(FOLDER), str(FOLDER.parent)], DEFAULTS)
    desk.close()
    with pytest.raises(Refused, match="being closed"):
        desk._answerer(list(desk.models)[1])
