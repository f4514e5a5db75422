"""What docs/ingest.md prints works as printed; only the port and the store's file are others."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from pdp.records.ingest_stream import Source, SourceStream
from pdp.records.store import open_store
from tests.servers.redis import RedisServer
from tests.unit.records.ingest.streams import GROUP

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs/ingest.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The code blocks of a language ("": those without), in order."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [body for name, body in found if name == language]


class Page:
    """Runs what the page prints."""

    def __init__(self, server: RedisServer, folder: Path) -> None:
        self._server, self._store = server, f"sqlite:{folder / 'portal.db'}"
        open_store(self._store).close()

    def printed(self, text: str) -> str:
        """A text of the page with this Redis and store."""
        return text.replace("127.0.0.1:6379", f"127.0.0.1:{self._server.port}").replace(
            "sqlite:portal.db", self._store
        )

    def run(self, *command: str) -> str:
        """Runs a command; gives what it printed."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PDP_")}  # noqa: TID251
        places = [str(Path(sys.executable).parent), str(ROOT / ".tools/bin"), environment["PATH"]]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**environment, "PATH": os.pathsep.join(places)},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def shell(self, line: str) -> str:
        """Runs a line of a shell block."""
        return self.run("bash", "-euo", "pipefail", "-c", self.printed(line))


@pytest.fixture
def page(server: RedisServer, tmp_path: Path) -> Page:
    with redis.Redis.from_url(server.url) as client:
        client.delete("employers", "employers:dead")
    return Page(server, tmp_path)


def test_the_first_example(page: Page) -> None:
    sending, ingesting, reading = blocks("sh")[0].splitlines()
    page.shell(sending)
    assert page.shell(ingesting) == "Applied 1 messages; 0 changed nothing.\n"
    assert json.loads(page.shell(reading)) == {"kvk": "12345678"}


def test_sending_from_python(page: Page) -> None:
    sending, ingesting, _ = blocks("sh")[0].splitlines()
    page.shell(sending)
    page.run(sys.executable, "-c", page.printed(blocks("python")[0]))
    assert page.shell(ingesting) == "Applied 3 messages; 0 changed nothing.\n"


def test_dead_letters(page: Page) -> None:
    sending, ingesting, reading = blocks("sh")[0].splitlines()
    listing, as_json, replaying = blocks("sh")[1].splitlines()
    page.shell(sending.replace('"kvk"', '"kvv"'))
    page.shell(ingesting)
    assert ": value" in page.shell(listing)
    letter = json.loads(page.shell(as_json))
    assert letter["fields"] == {
        "kind": "employer",
        "key": "12345678",
        "version": "1",
        "value": '{"kvv": "12345678"}',
    }
    assert page.shell(replaying).startswith(f"Replayed {letter['id']} as ")
    assert page.shell(listing) == "There are no dead letters.\n"
    page.shell(sending)
    assert "Applied 1 messages; 0 changed nothing; 1 went to employers:dead" in page.shell(ingesting)
    assert json.loads(page.shell(reading)) == {"kvk": "12345678"}


def test_the_rights_that_a_user_needs(page: Page, server: RedisServer) -> None:
    (rights,) = blocks("")
    with redis.Redis.from_url(server.url) as client:
        client.execute_command(*rights.split())
        client.xadd("employers", {"kind": "employer", "key": "1", "version": "x"})
    url = server.url.replace("redis://", "redis://ingest:PASSWORD@")
    messages = SourceStream(Source(url, "employers", GROUP, "one"))
    messages.join()
    (entry,) = messages.new(10).entries
    assert messages.own(10, "0-0").entries == [entry]
    assert messages.idle(10, "0-0", 0).entries == [entry]
    assert messages.wait(10) == []
    assert messages.bury(entry.id, "version", "is none")
    messages.acknowledge([entry.id])
    messages.leave()
    messages.close()
    line = blocks("sh")[1].splitlines()
    as_user = [page.printed(each).replace("redis://", "redis://ingest:PASSWORD@") for each in line]
    assert "Replayed" in page.shell(as_user[2])
    with redis.Redis.from_url(server.url) as client:
        client.acl_deluser("ingest")
