"""The revision that every decision names: no two contents bear the same."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pdp.policy.archive import pack, unpack
from pdp.policy.sources import read_folder
from tests.policy.bundles import EXAMPLE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "bundle"))


def _manifest(folder: Path, **members: str) -> None:
    manifest = json.loads((folder / ".manifest").read_text())
    (folder / ".manifest").write_text(json.dumps(manifest | members))


def test_a_name_is_followed_by_the_digest_of_the_content(folder: Path) -> None:
    _manifest(folder, revision="v1")
    first = read_folder(folder).revision
    assert first.startswith("v1+")
    assert len(first) == len("v1+") + 12
    assert read_folder(folder).revision == first
    rego = folder / "decision.rego"
    rego.write_text(rego.read_text() + "\n# Another content.\n")
    assert read_folder(folder).revision.startswith("v1+")
    assert read_folder(folder).revision != first


def test_without_a_name_it_is_the_digest(folder: Path) -> None:
    assert read_folder(folder).revision.startswith("sha256:")


@pytest.mark.parametrize("members", [{}, {"revision": "v1"}])
def test_a_built_bundle_keeps_it(folder: Path, members: dict[str, str]) -> None:
    """Also when it is built again from what it holds, as for another check."""
    _manifest(folder, **members)
    sources = read_folder(folder)
    built = unpack(pack(sources, wasm=b"wasm", data=b"{}", opa="1", check="x"), folder)
    assert built.revision == sources.revision
    again = replace(built.sources, files={**built.sources.files, "data.json": b"{}"})
    assert (
        unpack(pack(again, wasm=b"wasm", data=b"{}", opa="2", check="y"), folder).revision == sources.revision
    )


def test_a_built_bundle_that_was_unpacked_and_changed_bears_another(folder: Path, tmp_path: Path) -> None:
    _manifest(folder, revision="v1")
    sources = read_folder(folder)
    built = unpack(pack(sources, wasm=b"wasm", data=b"{}", opa="1", check="x"), folder)
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    built.sources.write(unpacked)
    assert read_folder(unpacked).revision not in ("v1", sources.revision)
