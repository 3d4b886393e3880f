"""The job as a line of a crontab and as systemd's units."""

import shlex
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from batch.cron import Cron
from batch.crontab import crontab_line, with_block, without_block
from batch.errors import BatchError
from batch.systemd import service_unit, timer_unit

NIGHTLY = Cron.parse("0 19 * * *")
OTHERS = "MAILTO=a@example.org\n5 4 * * * backup\n"


def test_a_line_runs_its_command_in_its_folder(tmp_path):
    """As cron does: the percent signs unquoted, the rest handed to sh."""
    folder = tmp_path / "it's 100% here"
    folder.mkdir()
    line = crontab_line(NIGHTLY, ["echo", "a b", "50%"], folder, folder / "log.txt")
    assert line.startswith("0 19 * * * cd ")
    command = line.removeprefix("0 19 * * * ").replace("\\%", "%")
    subprocess.run(["sh", "-c", command], check=True)
    assert (folder / "log.txt").read_text() == "a b 50%\n"


def test_a_block_is_added_once_and_replaced_in_its_place():
    """Other lines stay as they are, in their order."""
    once = with_block(OTHERS, "predictions.csv", "0 19 * * * one")
    assert with_block(once, "predictions.csv", "0 19 * * * one") == once
    behind = once + "# after\n"
    changed = with_block(behind, "predictions.csv", "0 2 * * * two")
    assert changed == behind.replace("0 19 * * * one", "0 2 * * * two")


def test_jobs_are_told_apart_by_their_key():
    """Two tables, two blocks; one can be taken out again."""
    one = with_block(OTHERS, "a.csv", "0 19 * * * a")
    both = with_block(one, "b.csv", "0 20 * * * b")
    assert without_block(both, "b.csv") == one
    assert without_block(one, "a.csv") == OTHERS
    assert without_block(OTHERS, "a.csv") == OTHERS


def test_the_first_block_of_an_empty_crontab():
    """And nothing is left when it goes."""
    block = with_block("", "a.csv", "0 19 * * * a")
    assert len(block.splitlines()) == 3
    assert without_block(block, "a.csv") == ""


def test_a_block_without_its_end_is_left_to_a_person():
    """What stands behind it may be someone's."""
    with pytest.raises(BatchError, match=r"without its '# END snapshelf batch a\.csv'"):
        with_block("# BEGIN snapshelf batch a.csv\n5 4 * * * backup\n", "a.csv", "x")


def test_the_units_say_what_runs_where_and_when():
    """As systemd reads them: INI sections; percent and dollar signs and quotes its own way."""
    argv = ["/opt/it's/snapshelf", "batch", "run", "--in", 'a "b" 50%', "--out", "$HOME/x"]
    service = ConfigParser(interpolation=None)
    service.optionxform = str
    service.read_string(service_unit("Photos", argv, Path("/srv/100%")))
    assert service["Service"]["WorkingDirectory"] == "/srv/100%%"
    assert service["Service"]["Type"] == "oneshot"
    command = shlex.split(service["Service"]["ExecStart"].replace("$$", "$").replace("%%", "%"))
    assert command == argv
    timer = ConfigParser(interpolation=None, strict=False)
    timer.optionxform = str
    timer.read_string(timer_unit("Photos", NIGHTLY))
    assert timer["Timer"] == {"OnCalendar": "*-*-* 19:00:00", "Persistent": "true"}
    assert timer["Install"]["WantedBy"] == "timers.target"


@pytest.mark.parametrize("make", [crontab_line, service_unit])
def test_a_line_end_in_a_path_is_refused(make):
    """It would end the line, or the value, in its midst."""
    front = [NIGHTLY] if make is crontab_line else ["Photos"]
    rest = [Path("/"), Path("/log")] if make is crontab_line else [Path("/")]
    with pytest.raises(BatchError, match="line's end"):
        make(*front, ["run", "a\nb"], *rest)
