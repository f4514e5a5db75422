"""A real Chromium and the demo, which runs as long as its tests do."""

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browser.stage import Demo, Presenter, Visitor

_FLAGS = (
    # Tests may run as root, for whom Chromium has no sandbox; it opens pages of the demo only.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_PATIENCE_MS = 15_000

Opens = Callable[[str], Visitor]
"""Opens a browser window of somebody who prefers a language, such as "nl-NL"."""


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Demo.start(tmp_path_factory.mktemp("demo") / "log")
    yield running
    assert running.end() == 0


# Not for the session: while Playwright runs, no other test of this process can run an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not here; make setup gets it on Debian")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=list(_FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def window(browser: Browser, demo: Demo) -> Iterator[Opens]:
    """Windows that share nothing; what they logged as an error fails the test."""
    demo.reset()
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def opens(language: str) -> Visitor:
        context = browser.new_context(locale=language, viewport={"width": 1100, "height": 800})
        context.set_default_timeout(_PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        return Visitor(page, demo)

    yield opens
    for context in contexts:
        context.close()
    assert not errors


@pytest.fixture
def visitor(window: Opens) -> Visitor:
    """Somebody who reads Dutch."""
    return window("nl-NL")


@pytest.fixture
def presenter(window: Opens, demo: Demo) -> Presenter:
    """Who gives the demonstration."""
    return Presenter(window("nl-NL").page, demo)
