"""SageMaker's Python SDK, version 2, as its users write: fit, deploy, predict, transform, delete.

Run by an interpreter that has it: `python sagemaker_sdk_walk.py SETTINGS.json`; what it saw goes to
stdout as JSON. Nothing in it knows of the local cloud: AWS_ENDPOINT_URL is all that is set.
"""

import json
import sys
from pathlib import Path

import boto3
from sagemaker.deserializers import JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import IdentitySerializer
from sagemaker.session import Session

INSTANCE = "ml.m5.large"


def main() -> None:
    """The whole walk."""
    settings = json.loads(Path(sys.argv[1]).read_text())
    session = Session(boto3.Session(region_name="us-east-1"), default_bucket=settings["bucket"])
    estimator = fit(session, settings)
    seen = {"model": estimator.model_data, "job": estimator.latest_training_job.name}
    predictor = estimator.deploy(
        1,
        INSTANCE,
        image_uri=settings["inference_image"],
        serializer=IdentitySerializer("image/jpeg"),
        deserializer=JSONDeserializer(),
    )
    seen["endpoint"] = predictor.endpoint_name
    seen["answer"] = predictor.predict(Path(settings["photo"]).read_bytes())
    seen["transformed"] = transform(estimator, settings)
    predictor.delete_model()
    predictor.delete_endpoint(delete_endpoint_config=True)
    sys.stdout.write(f"\n{json.dumps(seen)}\n")


def fit(session: Session, settings: dict) -> Estimator:
    """A training job on S3 channels, its log followed to its end."""
    estimator = Estimator(
        image_uri=settings["training_image"],
        role=settings["role"],
        instance_count=1,
        instance_type=INSTANCE,
        output_path=f"s3://{settings['bucket']}/sdk",
        hyperparameters=settings["hyperparameters"],
        metric_definitions=[
            {"Name": "validation:accuracy", "Regex": r"Validation-accuracy=([\d.]+)"}
        ],
        sagemaker_session=session,
    )
    channels = {name: TrainingInput(uri) for name, uri in settings["channels"].items()}
    estimator.fit(channels)
    return estimator


def transform(estimator: Estimator, settings: dict) -> str:
    """Every photo of a prefix; where the answers are."""
    model = estimator.create_model(image_uri=settings["inference_image"])
    transformer = model.transformer(1, INSTANCE, strategy="SingleRecord")
    transformer.transform(settings["photos"], content_type="image/jpeg", logs=False)
    transformer.delete_model()
    return transformer.output_path


main()
