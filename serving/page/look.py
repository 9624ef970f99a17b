"""How the page looks, and the words that always stand on it."""

import gradio as gr

INTRODUCTION = """\
<h1>Which emotion does this clip resemble?</h1>
<p>Give it a film of a face, or a voice. It names the likeliest of a few emotions, says how much sound and picture
counted, and shows what it saw and heard. It looks at a few seconds, and knows nothing else.</p>
"""
EXAMPLES_HEAD = "<p>No clip at hand? A program draws one, with nobody in it:</p>"
NOTHING_YET = '<p class="quiet">The answer will stand here.</p>'
CANCELLED = '<p class="quiet">Cancelled: nothing was answered.</p>'
LIMITS_HEAD = "<h2>What the model cannot know</h2>"

THEME = gr.themes.Default(
    primary_hue="blue",
    neutral_hue="slate",
    font=["system-ui", "sans-serif"],  # of the machine that shows the page: none is fetched
    font_mono=["ui-monospace", "monospace"],
)
CSS = """
.gradio-container { max-width: 1120px !important; margin: 0 auto !important; }
.gradio-container .html-container { padding: 0 !important; }
.gradio-container h1 { font-size: 1.7rem; margin: .6rem 0 .3rem; }
.gradio-container h2 { font-size: 1.15rem; margin: 1.2rem 0 .4rem; }
.quiet, .small, figcaption, .notes { color: var(--neutral-600); font-size: .9rem; }
.dark :is(.quiet, .small, figcaption, .notes) { color: var(--neutral-300); }
.quiet { border: 1px dashed var(--border-color-primary); border-radius: 8px; padding: 1.5rem 1rem;
  text-align: center; }
#verdict h2.label { font-size: 2.4rem; line-height: 1.15; margin: 0 0 .2rem; }
#verdict h2.label::first-letter { text-transform: uppercase; }
#verdict .gate-words { display: flex; justify-content: space-between; margin: .8rem 0 .2rem; font-size: .95rem; }
#verdict .gate { background: #D55E00; height: .7rem; border-radius: 6px; overflow: hidden; }
#verdict .gate div { background: #0072B2; height: 100%; }
#verdict .gate-words span { border-bottom: 3px solid #D55E00; }
#verdict .gate-words span:first-child { border-color: #0072B2; }
#verdict { margin-top: .5rem; }
#verdict .small { margin-top: .6rem; }
#verdict .notes { margin: .6rem 0; padding-left: 1.2rem; list-style: disc; }
a.download { white-space: nowrap; text-decoration: underline; color: var(--link-text-color); }
.gradio-container video { max-height: 320px; }
figure { margin: 0 0 1rem; }
figcaption { margin-top: .3rem; }
.frames { display: grid; grid-template-columns: repeat(auto-fill, minmax(72px, 1fr)); gap: 4px; }
.frames img { width: 100%; border-radius: 4px; }
img.wide { width: 100%; border-radius: 4px; }
.scroll { overflow-x: auto; max-width: calc(100vw - 4rem); }
img.timeline { width: 100%; min-width: 640px; }
#timeline table { border-collapse: collapse; margin-top: .5rem; }
#timeline th, #timeline td { padding: .25rem .8rem .25rem 0; text-align: left; white-space: nowrap; }
#timeline caption { text-align: left; font-size: .9rem; }
#timeline summary { cursor: pointer; padding: .4rem 0; }
:focus-visible { outline: 3px solid #0072B2 !important; outline-offset: 2px; }
"""
ON_LOAD = """
() => {
  // What changes is read aloud.
  for (const id of ["verdict", "timeline", "drawn"]) {
    document.getElementById(id)?.setAttribute("aria-live", "polite");
  }
  // Gradio calls the button that stops a film "start recording", too; what stands on it is right.
  new MutationObserver(() => {
    for (const it of document.querySelectorAll("[aria-label='start recording']")) it.removeAttribute("aria-label");
  }).observe(document.body, {childList: true, subtree: true});
}
"""
