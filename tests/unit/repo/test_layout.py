"""The layout rules that no linter has: sizes, names of files, and who may name what."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
CLIENT = Path("adapters/python/poortwachter_client")
GENERATED = re.compile(rf"^(pdp/\w+/v\d+|{CLIENT.as_posix()}/contract)/\w+_pb2")
SOURCES = (".py", ".pyi", ".rs", ".rego", ".proto", ".sh")
CORE = Path("pdp/core/src")
METRIC_NAME = re.compile(r'"pdp_[a-z0-9_]+"')


def _sources() -> list[Path]:
    """Files that git tracks or would track, relative to the root, without generated ones."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = (Path(line) for line in listing.splitlines())
    return sorted(p for p in paths if (ROOT / p).is_file() and not GENERATED.match(p.as_posix()))


def _code(path: Path) -> str:
    """The text of a Rust file without its comments."""
    return re.sub(r"//[^\n]*", "", (ROOT / path).read_text(encoding="utf-8"))


def _rust(folder: Path) -> Iterator[Path]:
    return (p for p in _sources() if p.suffix == ".rs" and p.is_relative_to(folder))


def _names(word: str, path: Path) -> bool:
    return re.search(rf"\b{word}\b", _code(path)) is not None


def test_files_are_short() -> None:
    long = {
        p.as_posix(): n
        for p in _sources()
        if p.suffix in SOURCES
        and (n := len((ROOT / p).read_text(encoding="utf-8").splitlines())) > MAX_FILE_LINES
    }
    assert not long, f"files of more than {MAX_FILE_LINES} lines: {long}"


def test_python_functions_are_short() -> None:
    long = []
    for path in _sources():
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                lines = node.end_lineno - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    long.append(f"{path}:{node.lineno} {node.name} ({lines})")
    assert not long, f"functions of more than {MAX_FUNCTION_LINES} lines: {long}"


def test_no_file_is_called_after_nothing() -> None:
    vague = {"util", "utils", "helper", "helpers", "common", "misc", "internal"}
    found = [p for p in _sources() if vague & {part.split(".")[0] for part in p.parts}]
    assert not found


@pytest.mark.parametrize("word", ["tonic", "redis", "wasmtime", "pyo3"])
def test_the_decision_flow_names_no_transport_store_or_engine(word: str) -> None:
    assert not _names(word, CORE / "decide.rs")


def test_only_the_wasm_engine_names_wasmtime() -> None:
    naming = {p for p in _rust(Path()) if _names("wasmtime", p)}
    engine = {p for p in naming if p == CORE / "policy/wasm.rs" or p.is_relative_to(CORE / "policy/wasm")}
    assert engine, "the embedded engine is not where this test expects it"
    assert not naming - engine, f"wasmtime belongs in {CORE}/policy/wasm.rs"


def test_the_core_knows_no_python() -> None:
    assert not [p for p in _rust(CORE) if _names("pyo3", p)]


@pytest.mark.parametrize("word", ["tonic", "wasmtime", "axum", "hyper"])
def test_the_binding_only_converts(word: str) -> None:
    assert not [p for p in _rust(Path("pdp/core/python")) if _names(word, p)]


def test_every_metric_is_named_in_one_place() -> None:
    rust = [p for p in _rust(CORE) if p.name != "metrics.rs" and METRIC_NAME.search(_code(p))]
    python = [
        p
        for p in _sources()
        if p.suffix == ".py"
        and p.is_relative_to("pdp")
        and p != Path("pdp/metrics.py")
        and METRIC_NAME.search((ROOT / p).read_text(encoding="utf-8"))
    ]
    assert not rust + python


def test_the_client_knows_nothing_of_the_sidecar() -> None:
    """It is installed without it: what it knows is the contract, its own copy of the generated code."""
    named: set[tuple[str, str]] = set()
    files = [p for p in _sources() if p.suffix == ".py" and p.is_relative_to(CLIENT)]
    assert len(files) > 10, "the client is not where this test expects it"
    for path in files:
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            named |= {
                (path.as_posix(), m) for m in modules if m.partition(".")[0] in ("pdp", "tests", "bench")
            }
    assert not named
