"""The checkout as strangers get it: nothing of one machine in it, every dependency pinned."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.cli import COMMANDS, SUMMARIES, snapshelf

LOCKS = {
    "pyproject.toml": "requirements.lock",
    "infra/lambda_runtime.in": "infra/lambda_runtime.lock",
    "infra/function_libraries.in": "infra/function_libraries.lock",
    "infra/docker/inference.in": "infra/docker/inference.lock",
    "infra/docker/training.in": "infra/docker/training.lock",
    "scripts/bootstrap.in": "scripts/bootstrap.lock",
}
"""What declares dependencies, and the file that pins them."""

HOME_PATH = re.compile(rb"(?<![\w.])/(?:root|home|Users)/[\w.-]+")
PACKAGE_HOST = re.compile(
    rb"index-url[ =]+\S*://|\"resolved\":|\bpypi\.org/simple|files\.pythonhosted\.org"
    rb"|registry\.(?:npmjs|yarnpkg)\.",
)


def matches(pattern, files, root):
    """`file: text` of everything that `pattern` finds, but for the examples in this file."""
    return [
        f"{file.relative_to(root)}: {found.decode(errors='replace')}"
        for file in files
        if file != Path(__file__)
        for found in pattern.findall(file.read_bytes())
    ]


def locked(text):
    """Each requirement of a lock file: name -> (version, hashes)."""
    pinned = {}
    for block in re.split(r"\n(?=\S)", text.strip()):
        requirement = re.match(r"([\w.-]+)==(\S+)", block)
        assert requirement, block.partition("\n")[0]
        pinned[canonicalize_name(requirement[1])] = (
            requirement[2],
            re.findall(r"--hash=sha256:[0-9a-f]{64}\b", block),
        )
    return pinned


def module_of(target):
    """`scripts.commands.prepare:prepare_command` -> `prepare`."""
    return target.partition(":")[0].rpartition(".")[2]


def test_no_file_names_a_home_folder(tracked_files, root):
    """A path below someone's home works on one machine only."""
    assert matches(HOME_PATH, tracked_files, root) == []


def test_no_file_names_a_package_host(tracked_files, root):
    """Packages come from wherever the machine's own pip and npm are set up to get them."""
    assert matches(PACKAGE_HOST, tracked_files, root) == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (HOME_PATH, b"cd /home/someone"),
        (HOME_PATH, b'"/' + b'root/x"'),
        (PACKAGE_HOST, b"--index-url https://packages.example/simple"),
        (PACKAGE_HOST, b'"resolved": "https://packages.example/jquery.tgz"'),
    ],
)
def test_such_names_would_be_found(pattern, text):
    """The two searches above can fail."""
    assert pattern.search(text)


def test_every_script_can_be_run(root):
    """A file of scripts/ that begins with #! has the run bit in git, and only such a file."""
    staged = subprocess.run(
        ["git", "ls-files", "--stage", "--", "scripts", ".ci"],
        cwd=root,
        capture_output=True,
        check=True,
        text=True,
    )
    modes = {line.split("\t")[1]: line.split()[0] for line in staged.stdout.splitlines()}
    assert "scripts/install" in modes
    is_script = {name: (root / name).read_bytes().startswith(b"#!") for name in modes}
    assert {name for name, mode in modes.items() if mode == "100755"} == {
        name for name, runs in is_script.items() if runs
    }


@pytest.mark.parametrize("name", LOCKS.values())
def test_a_lock_file_pins_every_package_with_hashes(root, name):
    """An installer then refuses whatever is not the very file that was locked."""
    pinned = locked((root / name).read_text())
    assert pinned
    assert [package for package, (_, hashes) in pinned.items() if not hashes] == []


def declared(file):
    """The requirements of pyproject.toml, every extra's too, or of a requirements file."""
    if file.suffix != ".toml":
        lines = [line.partition("#")[0].strip() for line in file.read_text().splitlines()]
        return [Requirement(line) for line in lines if line]
    project = tomllib.loads(file.read_text())["project"]
    extras = project["optional-dependencies"].values()
    return [Requirement(line) for line in sum(extras, project["dependencies"])]


@pytest.mark.parametrize(("source", "lock"), LOCKS.items())
def test_a_lock_file_satisfies_what_is_declared(root, source, lock):
    """A dependency that is declared without `make lock` is found here."""
    requirements = declared(root / source)
    pinned = locked((root / lock).read_text())
    versions = {
        one: pinned.get(canonicalize_name(one.name), ("none", []))[0] for one in requirements
    }
    assert versions
    unmet = {
        str(one): version
        for one, version in versions.items()
        if version == "none" or version not in one.specifier
    }
    assert unmet == {}


def test_the_page_pins_its_packages_exactly(root):
    """package.json names one version of each, never a range."""
    package = json.loads((root / "web" / "package.json").read_text())
    assert package["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", each) for each in package["dependencies"].values())


def test_every_command_module_is_on_the_command_line(root):
    """No module of scripts/commands lies there without a command that leads to it."""
    modules = {file.stem for file in (root / "scripts" / "commands").glob("*.py")} - {"__init__"}
    assert {module_of(target) for target in COMMANDS.values()} == modules
    assert set(SUMMARIES) == set(COMMANDS)


@pytest.mark.parametrize("module", sorted({module_of(target) for target in COMMANDS.values()}))
def test_every_command_module_explains_itself(module):
    """Its main command has more to say than one line, and each of its commands says something."""
    names = [name for name, target in COMMANDS.items() if module_of(target) == module]
    helps = [snapshelf.get_command(click.Context(snapshelf), name).help or "" for name in names]
    assert all(helps), names
    assert max(len(text.strip().splitlines()) for text in helps) > 1


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_answers_programs_too(name):
    """Each has --json, one object on stdout; of a group, each of its commands."""
    command = snapshelf.get_command(click.Context(snapshelf), name)
    for each in command.commands.values() if isinstance(command, click.Group) else [command]:
        options = {option for parameter in each.params for option in parameter.opts}
        assert "--json" in options, each.name


def test_every_package_is_installed(root):
    """The list in pyproject.toml, written by hand, names every folder of modules and no other."""
    setuptools = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]
    tops = {name.partition(".")[0] for name in setuptools["packages"]}
    found = {
        ".".join(init.parent.relative_to(root).parts)
        for top in tops
        for init in (root / top).rglob("__init__.py")
    }
    assert set(setuptools["packages"]) == found


def test_links_between_documents_lead_somewhere(tracked_files, root):
    """A relative link in a Markdown file names a file or folder that is there."""
    documents = [file for file in tracked_files if file.suffix == ".md"]
    links = [
        (file, target)
        for file in documents
        for target in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", file.read_text())
    ]
    assert links
    assert [
        f"{file.relative_to(root)}: {target}"
        for file, target in links
        if not (file.parent / target).exists()
    ] == []
