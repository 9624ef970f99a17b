"""Take the pictures that docs/serve/page.md and docs/serve/browser.md show, from pages that run.

python app.py --port 7860                                    # in another shell
python -m http.server --bind 127.0.0.1 --directory exported  # in a third one, of `emofusion export --to web`
python docs/serve/take_pictures.py http://127.0.0.1:7860 http://127.0.0.1:8000
"""

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
CLIP = HERE.parent / "clips" / "drawn.mp4"
PATIENCE_MS = 240_000


def main(address: str, of_export: str) -> None:
    """Take all three."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        for name, width, height in (("page_desktop", 1280, 900), ("page_phone", 390, 844)):
            page = browser.new_page(viewport={"width": width, "height": height})
            page.set_default_timeout(PATIENCE_MS)
            page.goto(address)
            answer(page)
            save(page.screenshot(full_page=True), HERE / f"{name}.png")
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.goto(of_export)
        page.get_by_text("Ready.").wait_for()
        page.get_by_label("A film or a sound").set_input_files(CLIP)
        page.locator("#answer a").wait_for()
        save(page.screenshot(full_page=True), HERE / "browser_phone.png")
        browser.close()


def answer(page: Page) -> None:
    """Ask about a clip, with a timeline, until all of the answer is there."""
    page.locator("input[type=file]").first.set_input_files(CLIP)
    page.get_by_role("button", name="Clear").wait_for()
    page.get_by_label("Keep my clip").check()
    page.get_by_label("Follow it through").check()
    page.get_by_role("button", name="Name the emotion").click()
    page.locator("#timeline img").wait_for()
    page.wait_for_timeout(1000)  # bars grow
    page.evaluate("scrollTo(0, 0)")


def save(png: bytes, path: Path) -> None:
    """Keep a picture in 256 colours: a quarter of the bytes."""
    picture = Image.open(BytesIO(png)).convert("RGB")
    picture.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
