"""Debian's Chromium, as a visitor uses it: without a screen, and without what it would ask the network for itself."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserType

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
    "--use-fake-device-for-media-stream",  # a camera that shows a clock, a microphone that beeps
)
_LENDS = "--use-fake-ui-for-media-stream"
NAMES = """
() => [...document.querySelectorAll(
    "input, select, textarea, button, a, img, video, audio, [role=slider], [role=img]")]
  .filter(it => it.checkVisibility({visibilityProperty: true, opacityProperty: true}))
  .filter(it => !it.closest("[aria-hidden=true]"))
  .map(it => {
    const labels = [...(it.labels || [])].map(label => label.innerText);
    const others = (it.getAttribute("aria-labelledby") || "").split(" ").map(
      id => document.getElementById(id)?.innerText || "");
    const said = [it.ariaLabel, it.alt, it.title, it.innerText, ...labels, ...others];
    return [it.outerHTML.slice(0, 200), said.map(words => words?.trim()).find(words => words)];
  })
"""
"""Of everything that can be used or seen: what it is, and what a screen reader calls it."""


@contextmanager
def chromium() -> Iterator["Browser"]:
    """The browser; where there is none, the test is skipped, and says what is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[dev]'")
    if shutil.which("chromium") is None:
        pytest.skip("needs the program chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver, _launched(driver.chromium, _LENDS) as browser:
        yield browser


@contextmanager
def one_that_lends_nothing(browser: "Browser") -> Iterator["Browser"]:
    """Beside a browser another one, whose user lets no page have camera and microphone."""
    with _launched(browser.browser_type, f"{_LENDS}=deny") as other:
        yield other


@contextmanager
def _launched(kind: "BrowserType", flag: str) -> Iterator["Browser"]:
    browser = kind.launch(executable_path=shutil.which("chromium"), args=[*FLAGS, flag])
    try:
        yield browser
    finally:
        browser.close()
