# The inference image, as SageMaker starts it: `serve`, port 8080, the model below /opt/ml/model.
# From the project's root:
#   docker build --file infra/docker/inference.Dockerfile --tag snapshelf-inference .
FROM python:3.11-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/opt/program \
    PYTHONUNBUFFERED=1 \
    SNAPSHELF_HOST=0.0.0.0

COPY infra/docker/inference.lock /tmp/
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: \
      --requirement /tmp/inference.lock

WORKDIR /opt/program
COPY contracts.py ./
COPY photo ./photo
COPY evaluation/__init__.py evaluation/trust.py evaluation/verdict.py ./evaluation/
COPY hosting ./hosting

# Hosting reads the model and writes nothing: any user will do.
USER 10001
EXPOSE 8080
ENTRYPOINT ["python", "-m", "hosting"]
CMD ["serve"]
