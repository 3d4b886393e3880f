"""The Dockerfiles: what they copy is there, is enough, and runs alone; nothing here builds them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from infra.deploy.model_bundle import find_modules
from infra.images import INFERENCE_IMAGE, PROJECT_ROOT, SERVE, TRAIN, TRAINING_IMAGE

DOCKER = PROJECT_ROOT / "infra" / "docker"
NAMES = ("inference", "training")
PROGRAMS = {"inference": "hosting.__main__", "training": "training.__main__"}
IMAGES = {"inference": (INFERENCE_IMAGE, SERVE), "training": (TRAINING_IMAGE, TRAIN)}


def dockerfile(name: str) -> str:
    """Its instructions, continued lines joined, without comments."""
    text = (DOCKER / f"{name}.Dockerfile").read_text()
    kept = [line for line in text.splitlines() if not line.startswith("#")]
    return re.sub(r"\\\n\s*", "", "\n".join(kept))


def copied(name: str) -> dict[Path, str]:
    """What is copied -> where to."""
    sources = {}
    for line in re.findall(r"^COPY (.+)$", dockerfile(name), re.MULTILINE):
        *paths, target = line.split()
        sources |= {Path(path): target for path in paths}
    return sources


def files(name: str) -> set[str]:
    """The project's Python files in the image."""
    found = set()
    for source in copied(name):
        path = PROJECT_ROOT / source
        paths = path.rglob("*.py") if path.is_dir() else [path]
        found |= {each.relative_to(PROJECT_ROOT).as_posix() for each in paths}
    return {path for path in found if path.endswith(".py")}


def pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", NAMES)
def test_hadolint_finds_nothing(name: str) -> None:
    """Hadolint knows Docker's rules, and checks the shell in between."""
    program = Path(sys.executable).with_name("hadolint")
    path = DOCKER / f"{name}.Dockerfile"
    done = subprocess.run(
        [program, "--no-color", path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_copied_is_there_and_sent_along(name: str) -> None:
    """A path that .dockerignore keeps out of the build would not be found."""
    let_through = {
        line.removeprefix("!").split("/")[0]
        for line in (PROJECT_ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    for source in copied(name):
        assert (PROJECT_ROOT / source).exists()
        assert source.parts[0] in let_through


@pytest.mark.parametrize("name", NAMES)
def test_image_holds_every_file_that_its_program_imports(name: str) -> None:
    """Followed by the imports themselves; at inference it holds nothing else."""
    needed = set(find_modules(PROGRAMS[name]))
    assert needed <= files(name)
    if name == "inference":
        assert files(name) == needed


def test_inference_program_runs_from_the_copied_files_alone(tmp_path: Path) -> None:
    """Laid out as in the image and nothing else on the path, it starts, and misses only a model."""
    for source, target in copied("inference").items():
        if source.suffix == ".lock":
            continue
        path, folder = PROJECT_ROOT / source, tmp_path / target
        if path.is_dir():
            shutil.copytree(path, folder, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / path.name)
    environment = {"PYTHONPATH": str(tmp_path), "SAGEMAKER_BASE_DIR": str(tmp_path / "ml")}
    ran = subprocess.run(
        [sys.executable, "-c", "import hosting.__main__ as m; print(m.__file__); m.main()"],
        cwd="/",
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.startswith(str(tmp_path))
    assert "model-card.json is missing" in ran.stderr


@pytest.mark.parametrize("name", NAMES)
def test_image_starts_as_the_local_cloud_starts_it(name: str) -> None:
    """The same program and the same argument as `infra/images.py` gives."""
    image, command = IMAGES[name]
    entrypoint = re.search(r"^ENTRYPOINT (.+)$", dockerfile(name), re.MULTILINE)
    default = re.search(r"^CMD (.+)$", dockerfile(name), re.MULTILINE)
    assert entrypoint
    assert default
    assert json.loads(entrypoint[1]) == ["python", *image.entrypoint[1:]]
    assert json.loads(default[1]) == [command]


def test_inference_listens_beyond_the_container_and_is_not_root() -> None:
    """Loopback in a container is reached by no one."""
    text = dockerfile("inference")
    assert "SNAPSHELF_HOST=0.0.0.0" in text
    assert re.search(r"^USER [1-9]\d*$", text, re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_versions_are_those_that_are_tested(name: str) -> None:
    """The image's lock pins what requirements.lock pins."""
    tested, pinned = pins(PROJECT_ROOT / "requirements.lock"), pins(DOCKER / f"{name}.lock")
    assert pinned
    assert {package: tested.get(package) for package in pinned} == pinned


@pytest.mark.parametrize("name", NAMES)
def test_libraries_are_those_that_the_program_imports(name: str) -> None:
    """Every package that one of its files imports is asked for by name."""
    imported = set()
    for path in find_modules(PROGRAMS[name]).values():
        found = re.findall(r"^\s*(?:import|from) ([a-z_A-Z0-9]+)", path.read_text(), re.MULTILINE)
        imported |= {each for each in found if each not in sys.stdlib_module_names}
    own = {"contracts", "photo", "evaluation", "training", "hosting"}
    by_import = packages_distributions()
    needed = {by_import[each][0].lower() for each in imported - own if each in by_import}
    asked = re.findall(r"^[a-z0-9-]+$", (DOCKER / f"{name}.in").read_text(), re.MULTILINE)
    optional = {"pillow_heif", "pillow-heif", "openvino"}  # loaded where they are
    assert {each.replace("_", "-") for each in needed - optional} <= set(asked)
