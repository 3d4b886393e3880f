"""What of joining a cluster needs no other host; tests/e2e has the rest."""

import json

import pytest

from contracts import TrainingError
from infra.sagemaker import training_hosts
from training import cluster, environment
from training.cluster import DIST_ASYNC, DIST_SYNC, Cluster, port_of, started
from training.environment import Environment, Resources


def at(folder, **variables):
    """The environment of a container at `folder`."""
    return Environment.from_environ({"SAGEMAKER_BASE_DIR": str(folder), **variables})


def write_resources(folder, text):
    """Write resourceconfig.json."""
    path = folder / "input/config/resourceconfig.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)


def resources(*hosts, current="algo-1"):
    """The text of a resourceconfig.json."""
    return json.dumps({"current_host": current, "hosts": hosts, "network_interface_name": "lo"})


def test_a_single_host_needs_nothing(tmp_path):
    """No kvstore, no connection, whatever kind is asked for."""
    write_resources(tmp_path, resources("algo-1"))
    for kind in (None, DIST_SYNC, DIST_ASYNC):
        with started(at(tmp_path), kind) as one:
            assert (one.rank, one.size, one.kvstore, one.kvstore_kind) == (0, 1, None, None)
            assert one.update_on_kvstore is None
            assert one.gathered("value") == ["value"]


def test_an_unknown_kind_is_refused(tmp_path):
    """On a single host too, where it would have no effect."""
    with pytest.raises(TrainingError, match="kv_store 'dist': expected dist_sync or dist_async"):
        started(at(tmp_path), "dist").__enter__()


def test_only_asynchronous_hosts_update_at_the_servers():
    """Else the optimizer's state is at hand for checkpoints."""
    assert Cluster(kvstore_kind=DIST_SYNC).update_on_kvstore is False
    assert Cluster(kvstore_kind=DIST_ASYNC).update_on_kvstore is True


def test_hosts_that_do_not_come_end_the_job_with_their_names(tmp_path):
    """Within the patience given."""
    write_resources(tmp_path, resources("algo-1", "algo-2"))
    known = at(tmp_path, SNAPSHELF_HOST_ADDRESSES="algo-1=127.202.1.1,algo-2=127.202.1.2")
    with pytest.raises(TrainingError, match="algo-2 did not come to algo-1"):
        started(known, patience_seconds=0.2).__enter__()


def test_a_host_without_an_address_is_named(tmp_path):
    """With the variable that can give it one."""
    write_resources(
        tmp_path,
        resources("algo-1.invalid", current="algo-1.invalid").replace(
            '["algo-1.invalid"]', '["algo-1.invalid", "algo-2.invalid"]'
        ),
    )
    with pytest.raises(TrainingError, match=r"known for host algo-1\.invalid") as error:
        started(at(tmp_path), patience_seconds=0).__enter__()
    assert "SNAPSHELF_HOST_ADDRESSES" in error.value.hint


def test_ports_follow_the_jobs_name():
    """Below those that the system hands out to whoever connects."""
    ports = {port_of(f"job-{n}") for n in range(200)}
    assert len(ports) > 190
    assert min(ports) >= 20_000
    assert max(ports) < 30_000
    assert port_of("job-1") == port_of("job-1")


def test_resources_are_read_in_the_same_order_everywhere(tmp_path):
    """SageMaker promises none; algo-10 comes after algo-2."""
    write_resources(tmp_path, resources("algo-10", "algo-2", "algo-1", current="algo-2"))
    assert at(tmp_path).resources() == Resources("algo-2", ("algo-1", "algo-2", "algo-10"), "lo")


def test_no_resources_are_a_single_host(tmp_path):
    """As in a container that somebody starts by hand."""
    assert at(tmp_path).resources() == Resources("algo-1", ("algo-1",))


@pytest.mark.parametrize(
    "text",
    ["{", "[1]", "{}", resources("algo-1", "algo-1"), resources("algo-1", current="algo-2")],
)
def test_resources_that_make_no_sense_are_refused(tmp_path, text):
    """The file is named, and what was expected."""
    write_resources(tmp_path, text)
    with pytest.raises(TrainingError, match=r"resourceconfig\.json.*expected \{\"current_host"):
        at(tmp_path).resources()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SNAPSHELF_HOST_ADDRESSES", "algo-1"),
        ("SNAPSHELF_HOST_ADDRESSES", "algo-1=,algo-2=127.0.0.1"),
        ("SNAPSHELF_CLUSTER_PORT", "0"),
        ("SNAPSHELF_CLUSTER_PORT", "65536"),
        ("SNAPSHELF_CLUSTER_PORT", "http"),
    ],
)
def test_variables_that_cannot_be_read_are_refused(tmp_path, variable, value):
    """By name and value."""
    with pytest.raises(TrainingError, match=f"{variable}={value}"):
        at(tmp_path, **{variable: value})


def test_variables_say_where_the_hosts_are(tmp_path):
    """Addresses by name, and the port."""
    known = at(tmp_path, SNAPSHELF_HOST_ADDRESSES="algo-1=10.0.0.1", SNAPSHELF_CLUSTER_PORT="1234")
    assert known.host_addresses == {"algo-1": "10.0.0.1"}
    assert known.cluster_port == 1234


def test_the_plane_and_the_program_mean_the_same_variable():
    """Rooms do not import each other."""
    assert training_hosts.ADDRESSES_VARIABLE == environment.ADDRESSES_VARIABLE
    assert cluster.KINDS == ("dist_sync", "dist_async")
