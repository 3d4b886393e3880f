# The training image, as SageMaker starts it: `train`, with everything below /opt/ml.
# From the project's root:
#   docker build --file infra/docker/training.Dockerfile --tag snapshelf-training .
FROM python:3.11-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/opt/program \
    PYTHONUNBUFFERED=1

# What libmxnet.so is linked to and its wheel does not bring; Debian keeps one version of each.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 libquadmath0 \
    && rm -rf /var/lib/apt/lists/*

COPY infra/docker/training.lock /tmp/
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: \
      --requirement /tmp/training.lock

WORKDIR /opt/program
COPY contracts.py ./
COPY photo ./photo
COPY evaluation ./evaluation
COPY training ./training

# As root: SageMaker's training job hands over folders that no one else may write.
ENTRYPOINT ["python", "-m", "training"]
CMD ["train"]
