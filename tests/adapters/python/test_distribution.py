"""The client as it is installed: by itself, without the sidecar's package, and typed."""

import subprocess
import sys
import zipfile
from email.parser import Parser
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.end_to_end.sidecar import ROOT, environment

CLIENT = ROOT / "adapters" / "python"
# What it says that it needs, and what that needs in turn: linked to, so that nothing is downloaded.
DEPENDENCIES = ("grpc", "google", "typing_extensions")


def _run(*command: str, folder: Path, **variables: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), folder=CLIENT)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_is_pure_python_and_typed(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as files:
        names = set(files.namelist())
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        said = Parser().parsestr(files.read(metadata).decode())
    needed = [each for each in said.get_all("Requires-Dist") or [] if "extra ==" not in each]
    assert sorted(each.split(">")[0] for each in needed) == ["grpcio", "protobuf"]
    packages = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert packages == {"poortwachter_client"}
    assert {"poortwachter_client/py.typed", "poortwachter_client/contract/decision_pb2.pyi"} <= names
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_it_works_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    """Without the sidecar's package; a sidecar that is not there is a denial."""
    _run(sys.executable, "-m", "venv", "--without-pip", "venv", folder=tmp_path)
    python = tmp_path / "venv/bin/python"
    uv = (sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps")
    _run(*uv, "--python", str(python), str(wheel), folder=tmp_path)
    packages = Path(
        _run(
            str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=tmp_path
        ).strip()
    )
    for name in DEPENDENCIES:
        spec = find_spec(name)
        assert spec is not None
        found = Path(spec.origin) if spec.origin else Path(next(iter(spec.submodule_search_locations or ())))
        found = found.parent if found.name == "__init__.py" else found
        (packages / found.name).symlink_to(found)
    program = (
        "import sys, poortwachter_client as client\n"
        "request = {'subject': {'type': 'user', 'id': 'a'}, 'action': {'name': 'read'},"
        " 'resource': {'type': 'portal', 'id': 'p'}}\n"
        "with client.Client(['127.0.0.1:1']) as pdp:\n"
        "    print(pdp.check(request).codes)\n"
        "print('pdp' in sys.modules)\n"
        "import poortwachter_client.asgi, poortwachter_client.wsgi, poortwachter_client.grpc_server\n"
        "import pdp\n"
    )
    done = subprocess.run(
        [str(python), "-I", "-c", program],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "('PDP_UNAVAILABLE',)\nFalse\n", done.stderr
    assert "No module named 'pdp'" in done.stderr


USER = """
from poortwachter_client import CacheOptions, Client, Decision


def allowed(pdp: Client, request: dict[str, object]) -> bool:
    decision: Decision = pdp.check(request, timeout=0.1)
    return decision.allow and not [reason.code for reason in decision.reasons]


print(allowed(Client(["127.0.0.1:1"], cache=CacheOptions(max_entries=10)), {}))
"""


def test_a_users_code_is_checked_against_it(tmp_path: Path) -> None:
    wrongs = {"right": ("", ""), "alow": ("decision.allow", "decision.alow"), "cash": ("cache=", "cash=")}
    for name, (right, wrong) in wrongs.items():
        text = USER.replace(right, wrong) if right else USER
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "cache", f"{name}.py"],
            cwd=tmp_path,
            env=environment(MYPYPATH=str(CLIENT)),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert (done.returncode == 0) is (name == "right"), done.stdout
        assert name == "right" or f'"{name}' in done.stdout
