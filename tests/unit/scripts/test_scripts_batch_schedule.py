"""`snapshelf batch schedule` on the command line."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from batch.errors import BatchError
from scripts.commands.batch import batch_command

KEY = "s3cret-of-the-api"
RUN = ("--in", "photos", "--out", "out/predictions.csv", "--columns", "label")


def call(*arguments):
    return CliRunner().invoke(batch_command, ["schedule", *arguments], catch_exceptions=False)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The current folder, with one for photos in it."""
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def crontab(tmp_path, monkeypatch):
    """A program `crontab` that keeps the crontab in a file, which does not exist at first."""
    kept = tmp_path / "kept"
    program = tmp_path / "bin" / "crontab"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        f'if [ "$1" = -l ]; then cat "{kept}" 2>/dev/null || {{ echo "no crontab for you" >&2;'
        f' exit 1; }}; else cat > "{kept}"; fi\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return kept


@pytest.fixture
def key_file(tmp_path):
    """The API's key in a file that its owner alone may read."""
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)
    return path


def test_the_line_is_printed_and_nothing_installed(crontab):
    """It names this program by its full path, and the current folder."""
    result = call("0 19 * * *", *RUN)
    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    assert line.startswith(f"0 19 * * * cd {Path.cwd()} && /")
    assert " batch run --in photos --out out/predictions.csv --columns label >> " in line
    assert not crontab.exists()


def test_the_printed_line_is_one_that_runs(tmp_path):
    """As cron would: by sh, with next to no environment, from the root folder."""
    line = call("0 19 * * *", *RUN, "--api", "http://127.0.0.1:9/api").stdout
    (tmp_path / "out").mkdir()
    command = (
        line.removeprefix("0 19 * * * ").replace("\\%", "%").replace(" batch run ", " --version ")
    )
    subprocess.run(["/bin/sh", "-c", command.split(" --in ")[0]], cwd="/", env={}, check=True)


def test_installing_twice_is_installing_once(crontab):
    """What else the crontab has stays; another time replaces the former."""
    crontab.write_text("5 4 * * * backup\n")
    call("0 19 * * *", "--install", *RUN)
    once = crontab.read_text()
    call("0 19 * * *", "--install", *RUN)
    assert crontab.read_text() == once
    assert once.startswith("5 4 * * * backup\n# BEGIN snapshelf batch ")
    call("0 2 * * *", "--install", *RUN)
    assert crontab.read_text() == once.replace("\n0 19 ", "\n0 2 ")


def test_a_user_without_a_crontab_gets_one(crontab):
    """`crontab -l` fails then, which is no error."""
    assert call("0 19 * * *", "--install", *RUN).exit_code == 0
    assert len(crontab.read_text().splitlines()) == 3


def test_units_are_written_below_the_users_configuration(tmp_path, monkeypatch):
    """And the command that switches them on is told."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    result = call("0 19 * * *", "--as", "systemd", "--install", "--json", *RUN)
    told = json.loads(result.stdout)
    units = {path.name: path.read_text() for path in (tmp_path / "config/systemd/user").iterdir()}
    assert told["entries"] == units
    assert sorted(path.rpartition(".")[2] for path in units) == ["service", "timer"]
    assert "systemctl --user enable --now" in told["hint"]
    assert len(told["next"]) == 3


@pytest.mark.parametrize(
    "options",
    [("--in", "photos"), (*RUN, "--colums", "label"), (*RUN, "--batch-size", "0")],
)
def test_what_would_fail_tonight_is_refused_now(options):
    """With the usage of `snapshelf batch run`."""
    assert call("0 19 * * *", *options).exit_code == 2


def test_a_key_is_told_by_a_file_and_stands_in_no_entry(key_file):
    """A crontab is read by whoever may read the user's, a command line by everyone on the machine."""
    line = call("0 19 * * *", *RUN, "--key-file", str(key_file)).stdout
    assert f"--key-file {key_file}" in line
    assert KEY not in line


@pytest.mark.parametrize("kind", ["cron", "systemd"])
def test_a_key_on_the_line_is_refused(kind):
    """With the mend."""
    result = call("0 19 * * *", "--as", kind, *RUN, "--key", KEY)
    assert result.exit_code == 2
    assert "--key-file" in result.stderr
    assert KEY not in result.output


def test_a_key_file_that_others_may_read_is_refused_now(key_file):
    """Its mode and the mend are told."""
    key_file.chmod(0o640)
    result = call("0 19 * * *", *RUN, "--key-file", str(key_file))
    assert result.exit_code == 2
    assert "mode 640: expected 600" in " ".join(result.stderr.split())


def test_a_key_file_without_a_key_is_refused_now(key_file):
    """Empty, or not there."""
    key_file.write_text("\n")
    assert call("0 19 * * *", *RUN, "--key-file", str(key_file)).exit_code == 2
    assert call("0 19 * * *", *RUN, "--key-file", f"{key_file}-2").exit_code == 2


@pytest.mark.parametrize(
    ("when", "named"),
    [
        ("0 25 * * *", "Bad hour"),
        ("0 19 * *", "expected 5"),
        ("0 0 31 2 *", "schedule '0 0 31 2 *'"),
    ],
)
def test_a_wrong_time_is_wrong_usage(when, named, crontab):
    """Before anything is written."""
    result = call(when, "--install", *RUN)
    assert result.exit_code == 2
    assert named in " ".join(result.stderr.split())
    assert not crontab.exists()


def test_a_time_that_eventbridge_cannot_say_is_wrong_usage():
    """It takes days of the month or weekdays."""
    places = ("--in", "s3://b/new/", "--out", "s3://b/sorted/")
    result = call("0 19 1 * mon", "--as", "eventbridge", *places)
    assert result.exit_code == 2
    assert "takes one of them" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    "options",
    [
        ("--in", "nowhere", "--out", "p.csv"),
        ("--in", "s3:b", "--out", "p.csv"),
        (*RUN, "--move-done", "photos/done"),
        (*RUN, "--move-done", "s3://b/done"),
    ],
)
def test_places_that_would_fail_tonight_are_refused_now(options):
    """A folder that is not there, an address that is none, photos moved to where they are found."""
    assert call("0 19 * * *", *options).exit_code == 2


def test_a_machine_without_cron_is_told_so(monkeypatch, tmp_path):
    """And of the other way."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BatchError, match="no program `crontab`") as caught:
        call("0 19 * * *", "--install", *RUN)
    assert "--as systemd" in caught.value.hint
