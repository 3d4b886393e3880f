"""What each room may import: the import-linter contracts, and the table of docs/architecture.md."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOMS = (
    "photo",
    "evaluation",
    "batch",
    "recordio_prep",
    "training",
    "hosting",
    "optimisation",
    "infra",
    "lambda_fn",
    "testing",
    "scripts",
)
ANYTHING = {"everything"}


def lint_imports(folder):
    """import-linter on the packages of `folder`, with the contracts of its pyproject.toml."""
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache", "--no-logo"],
        cwd=folder,
        capture_output=True,
        check=False,
        text=True,
    )


@pytest.fixture(scope="module")
def graph():
    """Every import that happens at run time; those for type checkers alone are left out."""
    return grimp.build_graph(
        *ROOMS,
        include_external_packages=True,
        exclude_type_checking_imports=True,
        cache_dir=None,
    )


@pytest.fixture(scope="module")
def documented(root):
    """The last column of the table of rooms: room -> the names in backquotes."""
    text = (root / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `([a-z_]+)(?:/|\.py)` \|.*\| ([^|]*) \|$", text, re.MULTILINE)
    return {room: set(re.findall(r"`([^`]+)`", cell) or [cell]) for room, cell in rows}


def imported_by(graph, room):
    """Top-level names outside `room` and the standard library that its modules import."""
    modules = {name for name in graph.modules if name == room or name.startswith(f"{room}.")}
    found = {name for one in modules for name in graph.find_modules_directly_imported_by(one)}
    own = {room, "chalicelib"} if room == "lambda_fn" else {room}  # the bundle's own top level
    return {name.partition(".")[0] for name in found} - own - set(sys.stdlib_module_names)


def test_the_import_contracts_are_kept(root):
    """No room imports what its import-linter contract forbids."""
    done = lint_imports(root)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("room", "statement", "contract"),
    [
        ("hosting", "import training", "Stages meet in files"),
        ("hosting", "import optimisation", "Stages meet in files"),
        ("infra", "from hosting import model", "Stages meet in files"),
        ("photo", "import recordio_prep", "Stages meet in files"),
        ("evaluation", "import photo", "Stages meet in files"),
        ("training", "import scripts", "Stages meet in files"),
        ("infra", "import testing", "Stages meet in files"),
        ("infra", "import photo", "looks at no photo"),
        ("batch", "from infra import targets", "Stages meet in files"),
        ("hosting", "import mxnet", "MXNet stays in training"),
        ("lambda_fn", "import contracts", "stands alone"),
    ],
)
def test_a_forbidden_import_is_found(root, tmp_path, room, statement, contract):
    """The contracts themselves work: each breaks where such an import is planted."""
    (tmp_path / "pyproject.toml").write_bytes((root / "pyproject.toml").read_bytes())
    for name in ROOMS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "hosting" / "model.py").touch()
    (tmp_path / room / "__init__.py").write_text(f"{statement}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert re.search(rf"{contract}.* BROKEN", done.stdout), done.stdout


@pytest.mark.parametrize("room", ROOMS)
def test_the_documented_table_names_what_a_room_imports(graph, documented, room):
    """The table is neither laxer nor stricter than the code."""
    if documented[room] != ANYTHING:
        assert imported_by(graph, room) == documented[room]


def test_only_the_command_line_may_import_everything(documented):
    """Every room stands in the table, and one alone is free."""
    assert set(documented) == {"contracts", "web", *ROOMS}
    assert [room for room, names in documented.items() if names == ANYTHING] == ["scripts"]


def test_the_contracts_import_the_standard_library_only(root):
    """They must run in a Lambda bundle, a container and a checkout alike."""
    tree = ast.parse((root / "contracts.py").read_text())
    found = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    found |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in found} <= set(sys.stdlib_module_names)


def test_the_lambda_bundle_holds_the_contracts_byte_for_byte(root):
    """`cp contracts.py lambda_fn/chalicelib/contracts.py` mends it."""
    copy = root / "lambda_fn" / "chalicelib" / "contracts.py"
    assert copy.read_bytes() == (root / "contracts.py").read_bytes()
