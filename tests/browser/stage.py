"""The demo in a process of its own, and somebody at a browser who clicks through it."""

import http.client
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page

from demo.portal import people
from pdp.demo.moments import today
from pdp.records.access import Edit
from pdp.records.admin import AdminAccess
from pdp.records.waiting import Wait, WaitFor
from tests.end_to_end.sidecar import ROOT, environment

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
REPORT = "/webdiensten/ziekmelden/nummers/687501106L01"
"""Reporting somebody sick, for a number of the bakery that is activated."""

_END_SECONDS = 40.0


@dataclass(slots=True)
class Demo:
    """`python -m demo.portal` that runs: its addresses."""

    process: subprocess.Popen[str]
    portal: str
    regie: str
    admin: str

    @staticmethod
    def start(log: Path, *options: str) -> "Demo":
        """Starts it on free ports unless `options` say others; returns when it answers."""
        ports = ("--port", "0", "--regie-port", "0")
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "demo.portal", "--json", *ports, *options],
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                start_new_session=True,
            )
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the demo did not start: {log.read_text(errors='replace')[-2000:]}"
        return Demo(process, **json.loads(line))

    def end(self, number: int = signal.SIGINT) -> int:
        """Ends it as Ctrl-C does: a signal to it and to what it has in its group; gives its exit code."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
        try:
            return self.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()

    def reset(self) -> None:
        """Everybody as in the beginning, no incident, no block but the one that there was."""
        access = AdminAccess(self.admin)
        try:
            own = list(people.own(today()))
            kept = {(kind, key) for kind, key, _ in own}
            access.import_lines(io.BytesIO(people.lines(own)))
            extra = [
                ("incident", record.key) for record in access.records("incident") if record.key[:4] == "inc-"
            ]
            extra += [("block", record.key) for record in access.records("block") if "demo-" in record.key]
            edits = [Edit(kind, key, None) for kind, key in extra if (kind, key) not in kept]
            if edits:
                access.apply(edits, wait=Wait(WaitFor.ALL))
        finally:
            access.close()


def children(process: int) -> dict[str, int]:
    """The processes that the demo's process started: "envoy" and "sidecar", with their ids."""
    found: dict[str, int] = {}
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text().split():
            name = Path(f"/proc/{child}/comm").read_text().strip()
            found["envoy" if name == "envoy" else "sidecar"] = int(child)
    return found


def ask(
    url: str, path: str, *, method: str = "GET", body: str = "", headers: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Status and text of a request without a browser."""
    with closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)) as connection:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


class Visitor:
    """Somebody at a browser."""

    def __init__(self, page: Page, demo: Demo) -> None:
        self.page, self.demo = page, demo

    def open(self, path: str) -> int:
        """Opens a page of the portal; gives the HTTP status."""
        answer = self.page.goto(self.demo.portal + path)
        assert answer is not None
        return answer.status

    @property
    def path(self) -> str:
        """Where one is: path and query."""
        return self.page.url.removeprefix(self.demo.portal)

    @property
    def heading(self) -> Locator:
        """The page's title."""
        return self.page.get_by_role("heading", level=1)

    def log_in(self, person: str, level: str | None = "EH3", means: str = "eHerkenning") -> None:
        """Fills in the login page, opened first unless one is there already; level None leaves the level."""
        if not self.path.startswith("/inloggen"):
            self.open("/inloggen")
        self.page.get_by_role("radio", name=person).check()
        if level is not None:
            self.page.get_by_label("Betrouwbaarheidsniveau").select_option(label=level)
        self.page.get_by_label("Inlogmiddel").select_option(label=f"{means} (nagemaakt)")
        self.press("Inloggen")

    def press(self, button: str) -> None:
        """Presses a button that leads to another page; returns when that is complete, with its script."""
        with self.page.expect_event("load"):
            self.page.get_by_role("button", name=button).click()

    def follow(self, link: str) -> None:
        """Follows a link to another page; returns when that is complete."""
        with self.page.expect_event("load"):
            self.page.get_by_role("link", name=link).click()

    def reasons(self) -> list[str]:
        """The reasons on the sidecar's page of a denial."""
        return self.page.locator("main ul").first.locator("li").all_inner_texts()


class Presenter:
    """Who gives the demonstration, at the page of their own."""

    def __init__(self, page: Page, demo: Demo) -> None:
        self.page = page
        page.goto(demo.regie)

    def declare(self, scope: str = "Het hele portaal", nature: str = "proef met een incident") -> None:
        """Declares an incident; returns when it is in force everywhere."""
        self.page.get_by_label("Wat gaat dicht?").select_option(label=scope)
        self.page.get_by_label("Wat is er aan de hand?").fill(nature)
        self.page.get_by_role("button", name="Incident melden").click()
        self.page.get_by_role("heading", name="Het incident is gemeld").wait_for()

    def end(self) -> None:
        """Ends the only incident."""
        self.page.get_by_role("button", name="Beëindig").click()
        self.page.get_by_role("heading", name="Het incident is beëindigd").wait_for()

    def block(self, person: str) -> None:
        """Blocks somebody's account."""
        self.page.get_by_role("button", name=f"Blokkeer {person}", exact=True).click()
        self.page.get_by_role("heading", name=f"{person} is geblokkeerd").wait_for()

    def unblock(self, person: str) -> None:
        """Lifts the block."""
        self.page.get_by_role("button", name=f"Deblokkeer {person}").click()
        self.page.get_by_role("heading", name=f"{person} is niet meer geblokkeerd").wait_for()
