"""SageMaker's Python SDK, version 3: the same walk as `sagemaker_sdk_walk.py` in its own words.

Run by an interpreter that has `sagemaker-train`, which brings `sagemaker-core`.
"""

import json
import sys
from pathlib import Path

import boto3
from sagemaker.core.helper import IamRoleResolver
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, TransformJob
from sagemaker.core.shapes import (
    ContainerDefinition,
    OutputDataConfig,
    ProductionVariant,
    StoppingCondition,
    TransformDataSource,
    TransformInput,
    TransformOutput,
    TransformResources,
    TransformS3DataSource,
)
from sagemaker.core.training.configs import Compute, InputData
from sagemaker.core.utils.utils import configure_logging
from sagemaker.train import ModelTrainer

INSTANCE = "ml.m5.large"
NAME = "version-3"


def main() -> None:
    """The whole walk."""
    settings = json.loads(Path(sys.argv[1]).read_text())
    configure_logging("INFO")  # the job's log is among what it logs
    sys.stdout.write(f"\n{json.dumps(walk(settings))}\n")


def walk(settings: dict) -> dict:
    """Train, serve, ask, transform, delete; what was seen."""
    job = train(settings)
    artifact = job.model_artifacts.s3_model_artifacts
    container = ContainerDefinition(image=settings["inference_image"], model_data_url=artifact)
    model = Model.create(
        model_name=NAME, primary_container=container, execution_role_arn=settings["role"]
    )
    variant = ProductionVariant(
        variant_name="AllTraffic",
        model_name=NAME,
        initial_instance_count=1,
        instance_type=INSTANCE,
    )
    config = EndpointConfig.create(endpoint_config_name=NAME, production_variants=[variant])
    endpoint = Endpoint.create(endpoint_name=NAME, endpoint_config_name=NAME)
    endpoint.wait_for_status("InService", poll=1)
    answer = endpoint.invoke(
        body=Path(settings["photo"]).read_bytes(), content_type="image/jpeg"
    ).body.read()
    output = transform(settings)
    endpoint.delete()
    config.delete()
    model.delete()
    return {
        "model": artifact,
        "job": job.training_job_name,
        "answer": json.loads(answer),
        "transformed": output,
    }


def train(settings: dict):
    """A training job on S3 channels, its log followed to its end."""
    trainer = ModelTrainer(
        training_image=settings["training_image"],
        role=IamRoleResolver().create_execution_role(role_type="training"),
        base_job_name=NAME,
        compute=Compute(instance_type=INSTANCE, instance_count=1),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
        hyperparameters=settings["hyperparameters"],
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{settings['bucket']}/sdk"),
        sagemaker_session=Session(
            boto3.Session(region_name="us-east-1"), default_bucket=settings["bucket"]
        ),
    )
    channels = settings["channels"].items()
    trainer.train([InputData(channel_name=name, data_source=uri) for name, uri in channels])
    return trainer._latest_training_job


def transform(settings: dict) -> str:
    """Every photo of a prefix; where the answers are."""
    source = TransformS3DataSource(s3_data_type="S3Prefix", s3_uri=settings["photos"])
    output = f"s3://{settings['bucket']}/{NAME}"
    job = TransformJob.create(
        transform_job_name=NAME,
        model_name=NAME,
        transform_input=TransformInput(
            data_source=TransformDataSource(s3_data_source=source), content_type="image/jpeg"
        ),
        transform_output=TransformOutput(s3_output_path=output),
        transform_resources=TransformResources(instance_type=INSTANCE, instance_count=1),
    )
    job.wait(poll=1)
    return output


main()
