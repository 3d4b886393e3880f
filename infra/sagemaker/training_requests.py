"""What CreateTrainingJob may ask for here: the checks beyond the service model's own."""

from __future__ import annotations

from typing import Any

from infra.sagemaker.errors import (
    ResourceLimitExceeded,
    ValidationException,
    missing,
    not_implemented,
)
from infra.sagemaker.object_store import S3Location, StorageError
from infra.sagemaker.training_hosts import MAX_HOSTS
from infra.sagemaker.training_sources import AUGMENTED, FILE, MANIFEST, PIPE, PREFIX


def check_request(request: dict[str, Any]) -> None:
    """Refuse by name what a job here cannot do.

    Some members have become optional in the service model only for kinds of jobs that are not
    offered here: here they are required.

    Raises:
        ValidationException: naming the member and what was expected.
        ResourceLimitExceeded: more instances than MAX_HOSTS.
    """
    required = {
        "algorithmSpecification": request.get("AlgorithmSpecification"),
        "resourceConfig": request.get("ResourceConfig"),
        "resourceConfig.instanceType": request.get("ResourceConfig", {}).get("InstanceType"),
        "resourceConfig.instanceCount": request.get("ResourceConfig", {}).get("InstanceCount"),
    }
    for member, value in required.items():
        if value is None:
            raise missing(member)
    algorithm = request["AlgorithmSpecification"]
    for member in ("ContainerEntrypoint", "ContainerArguments"):
        if algorithm.get(member):
            raise not_implemented(member, "an image runs with its own entrypoint")
    if "TrainingImage" not in algorithm:
        raise not_implemented("AlgorithmName", "name a TrainingImage")
    _check_instance_count(request["ResourceConfig"]["InstanceCount"])
    output = request["OutputDataConfig"]
    if output.get("CompressionType", "GZIP") != "GZIP":
        raise not_implemented("OutputDataConfig.CompressionType NONE", "artifacts are GZIP")
    _check_location(output["S3OutputPath"])
    if checkpoints := request.get("CheckpointConfig"):
        _check_location(checkpoints["S3Uri"])
    channels = request.get("InputDataConfig", [])
    names = [channel["ChannelName"] for channel in channels]
    if len(set(names)) != len(names):
        raise ValidationException(f"Channel names {names}: expected each name once.")
    for channel in channels:
        _check_channel_supported(channel, algorithm["TrainingInputMode"])


def _check_instance_count(count: int) -> None:
    if count < 1:
        raise ValidationException(
            f"1 validation error detected: Value '{count}' at 'resourceConfig.instanceCount' "
            "failed to satisfy constraint: Member must have value greater than or equal to 1"
        )
    if count > MAX_HOSTS:
        raise ResourceLimitExceeded(
            "The account-level service limit 'Maximum number of instances per training job' is "
            f"{MAX_HOSTS} Instances, with current utilization of 0 Instances and a request delta "
            f"of {count} Instances. Each is a process on this machine; ask for fewer."
        )


def _check_channel_supported(channel: dict[str, Any], job_mode: str) -> None:
    name, supported = channel["ChannelName"], "channels are S3 data in File or Pipe mode"
    source = channel["DataSource"].get("S3DataSource")
    if source is None:
        raise not_implemented(f"channel {name}: this kind of DataSource", supported)
    _check_location(source["S3Uri"])
    mode, data_type = channel.get("InputMode", job_mode), source["S3DataType"]
    if mode not in (FILE, PIPE):
        raise not_implemented(f"channel {name}: InputMode {mode}", supported)
    if data_type not in (PREFIX, MANIFEST, AUGMENTED):
        raise not_implemented(f"channel {name}: S3DataType {data_type}", supported)
    if source.get("InstanceGroupNames"):
        raise not_implemented(f"channel {name}: InstanceGroupNames", "a job has one group")
    if mode == FILE:
        _check_file_mode(channel, name)
    _check_attributes(source, channel, mode)


def _check_file_mode(channel: dict[str, Any], name: str) -> None:
    """Refuse what only Pipe mode does (API reference, *Channel*)."""
    for member in ("CompressionType", "RecordWrapperType"):
        given = channel.get(member, "None")
        if given != "None":
            raise ValidationException(
                f"channel {name}: {member} {given} is used only in Pipe input mode. In File mode, "
                "leave this field unset or set it to None."
            )


def _check_attributes(source: dict[str, Any], channel: dict[str, Any], mode: str) -> None:
    """Hold an augmented manifest to what the API reference says of it (*S3DataSource*)."""
    name, augmented = channel["ChannelName"], source["S3DataType"] == AUGMENTED
    if augmented and mode != PIPE:
        raise ValidationException(
            f"channel {name}: AugmentedManifestFile can only be used if the Channel's input mode "
            f"is Pipe, not {mode}."
        )
    if augmented != bool(source.get("AttributeNames")):
        raise ValidationException(
            f"channel {name}: AttributeNames {source.get('AttributeNames', [])} with S3DataType "
            f"{source['S3DataType']}: one or more are expected with AugmentedManifestFile, and "
            "with nothing else."
        )
    if augmented and channel.get("CompressionType", "None") != "None":
        raise not_implemented(
            f"channel {name}: CompressionType Gzip with AugmentedManifestFile",
            "the objects of a manifest are streamed as they are",
        )


def _check_location(uri: str) -> None:
    try:
        S3Location.parse(uri)
    except StorageError as error:
        raise ValidationException(error.message) from None
