"""What two stages must agree on: file names, the photo's size and fit, wire types, limits, errors.

Standard library only. `lambda_fn/chalicelib/contracts.py` is a byte-for-byte copy of this file
(a Lambda bundle must stand alone); a test holds the two together, and another holds the page's
JavaScript to the photo's size and fit.
"""

from __future__ import annotations

import os
import re

# --- The photo as the network sees it -------------------------------------------------------------
PHOTO_SIZE = 112
"""Width and height, in pixels, of a prepared photo (the marketplace used it)."""

PHOTO_FIT = SQUASH = "squash"
"""How a photo becomes square: both sides scaled, aspect ratio not kept, nothing cut."""

CROP = "crop"
"""The other way: the longer side's ends are cut off, so that the middle square remains."""

PAD = "pad"
"""A third: the whole photo, with white beside its shorter side."""

PHOTO_FITS = (SQUASH, CROP, PAD)
"""A model states its size and fit, and every photo is treated so, in preparation, hosting and page.

PHOTO_SIZE and PHOTO_FIT are what `prepare` takes unless told otherwise, and what the page takes
where the service does not say.
"""

# --- Records (recordio_prep writes, training reads) -----------------------------------------------
DATASET_FILE = "dataset.json"
"""Beside the records: classes in label order, size, fit, statistics, counts, fingerprint."""

MANIFEST_FILE = "manifest.json"
"""Beside sharded records: every shard's name, split, records, bytes and SHA-256, in order."""

CHECK_FILE, CHECK_PAGE = "check.json", "check.html"
"""Beside the records: what is noteworthy about the photos, for programs and for people."""

LEFT_OUT_FILE = "left_out.csv"
"""Beside the records: `path,reason` for every file that was not packed."""

SPLITS = ("train", "validation", "test")
"""Splits, which are also the names of the training job's channels."""

# --- The model artifact (training writes, hosting reads) ------------------------------------------
ARTIFACT_FILE = "model.tar.gz"
PARAMS_FILE = "image-classification-{epoch:04d}.params"
SYMBOL_FILE = "image-classification-symbol.json"
SHAPES_FILE = "model-shapes.json"
"""The files of SageMaker's built-in Image Classification; `epoch` counts from 0, the best one."""

ONNX_FILE = "model.onnx"
"""Input `data` float32 (N, C, H, W), normalised; output `probabilities` float32 (N, classes).

A second output `logits`, likewise, is before any temperature: `probabilities` are
softmax(logits / temperature). Further ones are `embedding`, float32 (N, F), what the last layer
takes, and `activation_map`, float32 (N, h, w), what each place adds to the best class's logit. An
artifact may lack any of the three.
"""

INT8_ONNX_FILE = "model-int8.onnx"
"""The same network in 8 bits, same input and outputs; only where its accuracy was found to hold."""

DEFAULT_RUNTIME = "onnxruntime-fp32"
RUNTIME_FILES = {
    DEFAULT_RUNTIME: ONNX_FILE,
    "onnxruntime-int8": INT8_ONNX_FILE,
    "openvino-fp32": ONNX_FILE,
    "openvino-int8": INT8_ONNX_FILE,
}
"""What can compute an artifact, `<library>-<precision>`, and the file that it reads."""

MODEL_CARD_FILE = "model-card.json"
"""Classes in output order, photo size, fit and statistics, threshold, metrics, network, version.

Where it has been optimised also `runtimes`, whose `order` names some of RUNTIME_FILES: those whose
accuracy holds, the fastest first, with what was measured beside it.

Where the training has fitted them also `temperature`, `thresholds` {category: 0..1, or null for a
category that is never named} and `familiarity` {"energy": the lowest of a familiar photo}.
"""

# --- Photos that the API keeps (lambda_fn writes, recordio_prep reads, infra grants) -------------
FEEDBACK_FOLDER = "feedback"
"""In the artifact bucket: photos in folders named as the category that a person gave them."""

TO_LABEL_FOLDER = "to-label"
"""In the artifact bucket: photos that the model was unsure of, for a person to name."""

# --- SageMaker's container layout -----------------------------------------------------------------
BASE_DIR_VARIABLE = "SAGEMAKER_BASE_DIR"
"""Environment variable that moves `/opt/ml` elsewhere (SageMaker's own toolkits read it too)."""

BASE_DIR = "/opt/ml"

# --- Wire types -----------------------------------------------------------------------------------
JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"
ANY_IMAGE = "application/x-image"
PHOTO_TYPES = (JPEG, PNG, WEBP, ANY_IMAGE)
"""Content types of a photo's bytes at the endpoint; with ANY_IMAGE the bytes tell."""

JSON = "application/json"
JSON_VERBOSE = "application/json;verbose"
"""Accept type that asks for labels beside probabilities (as SageMaker JumpStart's image models)."""

JSON_LINES = "application/jsonlines"
DESCRIBE = "method=describe"
"""CustomAttributes value that asks the endpoint for its model card instead of a prediction."""

TOP_K_ATTRIBUTE, EMBEDDING_ATTRIBUTE, HEATMAP_ATTRIBUTE = "top_k", "embedding", "heatmap"
"""What CustomAttributes may ask for with a photo: `top_k=3,embedding=true,heatmap=true`."""

# --- Limits ---------------------------------------------------------------------------------------
ENDPOINT_PAYLOAD_BYTES = 6_291_456
"""InvokeEndpoint's largest body (botocore's service model)."""

LAMBDA_PAYLOAD_BYTES = 6_291_456
"""Lambda's largest synchronous payload, request and response, base64 included."""

GATEWAY_PAYLOAD_BYTES = 10_485_760
"""API Gateway's largest payload (REST API)."""

MAX_PHOTO_PIXELS = 100_000_000
"""Largest photo that is decoded, in pixels: above every phone's, below a decompression bomb's."""

MAX_PHOTO_BYTES = 100_000_000
"""Largest photo file that is looked at, in bytes: above every camera's JPEG, PNG or TIFF."""

DEFAULT_THRESHOLD = 0.5
"""Probability that the best category must reach for the verdict to name it."""

NO_VERDICT = "none"

BELOW_THRESHOLD, UNFAMILIAR = "below threshold", "unfamiliar"
"""Why the verdict names no category: none is sure enough, or the photo is unlike anything seen."""


# --- Tables that people open ----------------------------------------------------------------------
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def escaped(name: str) -> str:
    r"""A file's name as UTF-8 text; bytes in it that are none stand as in `caf\xe9.jpg`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def table_cell(text: str) -> str:
    """The text as a cell of a CSV file that people open: UTF-8, and never a formula.

    Spreadsheets compute what begins with `= + - @`, a tab or a carriage return (OWASP, *CSV
    Injection*): such a text gets an apostrophe in front, also where it has some already, so that
    `cell_text` is certain. Any other is unaltered.
    """
    plain = escaped(text)
    return f"'{plain}" if _FORMULA.match(plain) else plain


def cell_text(cell: str) -> str:
    """What `table_cell` made the cell of; what it escaped stays so."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


# --- Errors ---------------------------------------------------------------------------------------
class SnapshelfError(Exception):
    """What a user can mend: `message` names the offending value, `hint` says what to do.

    Caught at the edges only: the command line prints both and exits 1, HTTP answers JSON with
    `code` and `status`. Anything that is not a SnapshelfError is a bug and keeps its traceback.
    """

    code = "error"
    status = 500

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class DatasetError(SnapshelfError):
    """The folder of photos, or its split, cannot be used."""

    code = "dataset"


class PhotoError(SnapshelfError):
    """These bytes are not a photo that can be decoded within the limits."""

    code = "unreadable_photo"
    status = 400


class RecordError(SnapshelfError):
    """A RecordIO file is damaged, or is not one."""

    code = "record"


class TrainingError(SnapshelfError):
    """A hyperparameter, a channel or the training itself is at fault."""

    code = "training"


class ArtifactError(SnapshelfError):
    """A model artifact is damaged, incomplete or unsafe."""

    code = "artifact"


class DeployError(SnapshelfError):
    """A step of a deployment failed, or the target cannot be reached."""

    code = "deploy"


class EndpointError(SnapshelfError):
    """The model's endpoint did not answer as it should."""

    code = "endpoint"
    status = 502
