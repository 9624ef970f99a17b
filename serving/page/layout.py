"""What stands where on the page, and what happens when something on it is used."""

import asyncio
import socket
import tempfile
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from starlette.middleware import Middleware

from emofusion.serving.limits import Limits
from emofusion.serving.refused import Refused

from .answer_html import seen_html, timeline_html, verdict_html
from .cards import limits_of
from .desk import Desk
from .doors import Doors
from .examples import EXAMPLES
from .look import CANCELLED, CSS, EXAMPLES_HEAD, INTRODUCTION, LIMITS_HEAD, NOTHING_YET, ON_LOAD, THEME
from .seen import Watched, sound_picture, timeline_picture
from .uploads import Uploads

MOST_WAITING = 32
"""Questions that wait in line; one more is turned away."""
ANSWER = 4
"""Parts of an answer: verdict, scores, what was seen, timeline."""
HIDDEN: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}
"""Of what takes no time."""


class Handlers:
    """What happens when a visitor does something. What is a visitor's is passed along, and never kept here.

    Args:
        desk (`Desk`): Answers.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk, self.uploads = desk, Uploads()

    def film_given(self, film: str | None, sound: str | None, request: gr.Request) -> tuple[Any, ...]:
        """A film is there or gone. Where it is there, the sound goes, and what was answered about another clip."""
        return self._given(film, sound, request)

    def sound_given(self, film: str | None, sound: str | None, request: gr.Request) -> tuple[Any, ...]:
        """A sound is there or gone. Where it is there, the film goes, and what was answered about another clip."""
        return self._given(sound, film, request)

    def _given(self, new: str | None, other: str | None, request: gr.Request) -> tuple[Any, ...]:
        """What becomes of the other input, and of the answer; this also ends a question about what is gone."""
        self.uploads.holds(str(request.session_hash), new, other)
        return (None if new and other else gr.skip(), *(blank() if new else skipped(ANSWER)))

    def begin(self, film: str | None, sound: str | None, request: gr.Request) -> tuple[Any, ...]:
        """A question begins: verdict, scores, what was seen, timeline; then the button that cancels it."""
        self.uploads.holds(str(request.session_hash), film, sound)
        return *blank(), gr.update(interactive=True)

    def left(self, request: gr.Request) -> None:
        """A visitor closes the page."""
        self.uploads.holds(str(request.session_hash))

    def limits(self, model: str) -> str:
        """What a model cannot know, as Markdown."""
        return limits_of(self.desk.models[model])

    def draw(self, name: str) -> tuple[Any, ...]:
        """An example: film, sound, its tab, and what it is."""
        path, told = EXAMPLES[name](Path(tempfile.mkdtemp(dir=get_upload_folder())))  # from there it is not copied
        is_film = path.suffix == ".mp4"
        film, sound = (path, None) if is_film else (None, path)
        return film, sound, gr.Tabs(selected="film" if is_film else "sound"), told

    async def ask(
        self,
        film: str | None,
        sound: str | None,
        model: str,
        follow: bool,
        hop: float,
        keep: bool,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  # how Gradio knows that it is wanted
    ) -> tuple[Any, ...]:
        """The answer: verdict, scores, what was seen, timeline; then film and sound, which are emptied."""
        path, visitor = film or sound, str(request.session_hash)

        def tell(done: float | None, what: str) -> None:
            if path and not self.uploads.held(visitor, path):
                raise Refused(499, "This clip is gone: there is another one, or none.")
            progress(done, what)

        try:
            if path is None:
                raise Refused(400, "There is no clip yet. Choose a film or a sound, record one, or take an example.")
            answer, watched = await self.desk.answer(Path(path), model, hop if follow else None, tell)
            tell(None, "Drawing")
        except Refused as refused:
            if path and not self.uploads.held(visitor, path):
                return skipped(ANSWER + 2)  # what stands there now is about another clip
            raise gr.Error(escape(str(refused)), title="No answer", duration=None, print_exception=False) from None
        shown = await asyncio.to_thread(drawn, answer, watched, model)
        if not (self.uploads.held if keep else self.uploads.lets_go)(visitor, path):
            return skipped(ANSWER + 2)  # another clip came while the answer was drawn
        return *shown, *(skipped(2) if keep else (None, None))


def blank() -> tuple[Any, ...]:
    """An answer that is not there yet: verdict, scores, what was seen, timeline."""
    return NOTHING_YET, gr.update(value=None, visible=False), "", ""


def skipped(count: int) -> tuple[Any, ...]:
    """So many parts of the page that stay as they are."""
    return (gr.skip(),) * count


def drawn(answer: dict[str, Any], watched: Watched, model: str) -> tuple[Any, ...]:
    """An answer as it stands on the page: verdict, scores, what was seen, timeline."""
    timeline, seen = answer.get("timeline"), watched.seen
    line = timeline_html(timeline, timeline_picture(timeline, watched)) if timeline else ""
    return (
        verdict_html(answer, model),
        gr.update(value=answer["scores"], visible=True),
        seen_html(seen, sound_picture(seen)),
        line,
    )


def clip_asked_for() -> tuple[gr.Tabs, gr.Video, gr.Audio]:
    """Where a visitor gives a clip: the tabs, and what is on each."""
    with gr.Tabs() as tabs:
        with gr.Tab("Film", id="film"):
            film = gr.Video(
                label="A film with a face, or your camera",
                sources=["upload", "webcam"],
                include_audio=True,
                webcam_options=gr.WebcamOptions(mirror=False),
            )
        with gr.Tab("Sound", id="sound"):
            sound = gr.Audio(
                label="A voice, or your microphone",
                sources=["upload", "microphone"],
                type="filepath",
                editable=False,
                buttons=[],  # one of them would carry the sound to another place
            )
    return tabs, film, sound


def page_of(desk: Desk) -> gr.Blocks:
    """The page; [`launch`] shows it.

    Args:
        desk (`Desk`): Answers its visitors.
    """
    do, models = Handlers(desk), list(desk.models)
    with gr.Blocks(title="emofusion", analytics_enabled=False) as page:
        gr.HTML(INTRODUCTION)
        with gr.Row():
            with gr.Column():
                tabs, film, sound = clip_asked_for()
                gr.HTML(EXAMPLES_HEAD)
                with gr.Row():
                    examples = [gr.Button(name, size="sm", min_width=100) for name in EXAMPLES]
                told = gr.Markdown(elem_id="drawn")
                model = gr.Dropdown(models, value=models[0], label="Model", interactive=True)
                follow = gr.Checkbox(label="Follow it through the whole recording (timeline)")
                hop = gr.Slider(0.5, 5, value=1, step=0.5, label="Seconds from one look to the next", visible=False)
                keep = gr.Checkbox(
                    label="Keep my clip for another question", info="Otherwise it is deleted with the answer."
                )
                with gr.Row():
                    ask = gr.Button("Name the emotion", variant="primary", min_width=140, scale=2)
                    cancel = gr.Button("Cancel", min_width=100, interactive=False)
            verdict, scores, seen = answer_shown()
        answer = [verdict, scores, seen, gr.HTML(elem_id="timeline")]
        gr.HTML(LIMITS_HEAD)
        limits = gr.Markdown(elem_id="limits")

        page.load(do.limits, model, limits, **HIDDEN)
        model.change(do.limits, model, limits, **HIDDEN)
        film.change(do.film_given, [film, sound], [sound, *answer], **HIDDEN)
        sound.change(do.sound_given, [film, sound], [film, *answer], **HIDDEN)
        page.unload(do.left)
        for name, button in zip(EXAMPLES, examples, strict=True):
            button.click(lambda name=name: do.draw(name), None, [film, sound, tabs, told], api_visibility="private")
        follow.change(lambda wanted: gr.update(visible=wanted), follow, hop, **HIDDEN)
        asked = ask.click(do.begin, [film, sound], [*answer, cancel], **HIDDEN).then(
            do.ask,
            [film, sound, model, follow, hop, keep],
            [*answer, film, sound],
            concurrency_limit=desk.at_once,
            show_progress_on=verdict,
            scroll_to_output=True,
            api_visibility="private",
        )
        asked.then(lambda: gr.update(interactive=False), None, cancel, **HIDDEN)
        stopped = (CANCELLED, gr.update(interactive=False))
        cancel.click(lambda: stopped, None, [verdict, cancel], cancels=[asked], **HIDDEN)
    return page


def answer_shown() -> tuple[gr.HTML, gr.Label, gr.HTML]:
    """Where an answer stands: verdict, scores, what was seen."""
    with gr.Column():
        verdict = gr.HTML(NOTHING_YET, elem_id="verdict")
        scores = gr.Label(label="Probabilities", show_heading=False, elem_id="scores", visible=False)
        return verdict, scores, gr.HTML(elem_id="seen")


def launch(page: gr.Blocks, limits: Limits, host: str | None, port: int | None) -> None:
    """Show the page until the process is told to end; at port 0 at any that is free."""
    page.queue(max_size=MOST_WAITING)
    page.launch(
        server_name=host,
        server_port=_free_port() if port == 0 else port,
        share=False,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        max_file_size=limits.max_bytes,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        num_workers=0,  # they would listen at ports of their own, without our doors
        theme=THEME,
        css=CSS,
        js=ON_LOAD,
        app_kwargs={"middleware": [Middleware(Doors, uploads=Path(get_upload_folder()), largest=limits.max_bytes)]},
    )


def _free_port() -> int:
    """Gradio would listen at a free port, and say that it is number 0."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])
