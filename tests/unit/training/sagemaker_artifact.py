"""An artifact as SageMaker's Image Classification writes it, by MXNet's symbols alone.

A pre-activation ResNet for pictures of 28 pixels, built and named as MXNet's
example/image-classification does it (symbols/resnet.py; He et al. 2016).
"""

import io
import json
import tarfile

import mxnet as mx
import numpy as np

SIZE = 28
CLASSES = 2
_NORM = {"fix_gamma": False, "eps": 2e-5, "momentum": 0.9}


def _unit(data, filters, stride, name, *, same):
    norm = mx.sym.BatchNorm(data, name=f"{name}_bn1", **_NORM)
    active = mx.sym.Activation(norm, act_type="relu", name=f"{name}_relu1")
    way = _convolution(active, filters, 3, stride, f"{name}_conv1")
    norm = mx.sym.BatchNorm(way, name=f"{name}_bn2", **_NORM)
    way = mx.sym.Activation(norm, act_type="relu", name=f"{name}_relu2")
    way = _convolution(way, filters, 3, (1, 1), f"{name}_conv2")
    short = data if same else _convolution(active, filters, 1, stride, f"{name}_sc")
    return way + short


def _convolution(data, filters, side, stride, name):
    return mx.sym.Convolution(
        data,
        num_filter=filters,
        kernel=(side, side),
        stride=stride,
        pad=(side // 2, side // 2),
        no_bias=True,
        name=name,
    )


def symbol(classes=CLASSES):
    """bn_data, conv0, two stages of one and two units, bn1, pool1, fc1, softmax."""
    data = mx.sym.Variable("data")
    body = mx.sym.BatchNorm(data, name="bn_data", **_NORM | {"fix_gamma": True})
    body = _convolution(body, 8, 3, (1, 1), "conv0")
    body = _unit(body, 8, (1, 1), "stage1_unit1", same=False)
    body = _unit(body, 16, (2, 2), "stage2_unit1", same=False)
    body = _unit(body, 16, (1, 1), "stage2_unit2", same=True)
    body = mx.sym.BatchNorm(body, name="bn1", **_NORM)
    body = mx.sym.Activation(body, act_type="relu", name="relu1")
    body = mx.sym.Pooling(body, global_pool=True, kernel=(7, 7), pool_type="avg", name="pool1")
    dense = mx.sym.FullyConnected(mx.sym.Flatten(body), num_hidden=classes, name="fc1")
    return mx.sym.SoftmaxOutput(dense, name="softmax")


def parameters(network, seed=5, channels=3):
    """(arg, aux): of a network that has seen photos of 0..255, as far as its first norm shows."""
    draw = np.random.default_rng(seed)
    shapes, _, aux_shapes = network.infer_shape(data=(1, channels, SIZE, SIZE))
    args = {}
    for name, shape in zip(network.list_arguments(), shapes, strict=True):
        if name not in {"data", "softmax_label"}:
            scale = 1.0 if name.endswith("gamma") else 0.0
            spread = 0.3 if len(shape) > 1 else 0.1
            args[name] = mx.nd.array(draw.normal(scale, spread, shape))
    aux = {}
    for name, shape in zip(network.list_auxiliary_states(), aux_shapes, strict=True):
        lowest = 0.5 if name.endswith("var") else -0.2
        aux[name] = mx.nd.array(draw.uniform(lowest, lowest + 0.5, shape))
    aux["bn_data_moving_mean"][:] = 125
    aux["bn_data_moving_var"][:] = 3000
    return args, aux


def write(folder, *, shape=(1, 3, SIZE, SIZE), channels=3, seed=5):
    """Write model.tar.gz of the built-in algorithm's three files; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    network = symbol()
    args, aux = parameters(network, seed, channels)
    network.save(str(folder / "image-classification-symbol.json"))
    tagged = {f"arg:{n}": a for n, a in args.items()} | {f"aux:{n}": a for n, a in aux.items()}
    mx.nd.save(str(folder / "image-classification-0007.params"), tagged)
    shapes = [{"name": "data", "shape": list(shape)}]
    (folder / "model-shapes.json").write_text(json.dumps(shapes))
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        for name in ("0007.params", "symbol.json"):
            archive.add(folder / f"image-classification-{name}", f"image-classification-{name}")
        archive.add(folder / "model-shapes.json", "model-shapes.json")
    return folder / "model.tar.gz"


def answers(folder, pictures):
    """MXNet's own probabilities (N, classes) for raw pictures (N, 3, H, W), by its Module."""
    network, args, aux = mx.model.load_checkpoint(str(folder / "image-classification"), 7)
    module = mx.mod.Module(network, label_names=None)
    module.bind([("data", pictures.shape)], for_training=False)
    module.set_params(args, aux, allow_missing=True)
    module.forward(mx.io.DataBatch([mx.nd.array(pictures)]), is_train=False)
    return module.get_outputs()[0].asnumpy()


def raw(photos):
    """(N, 3, H, W): what the built-in algorithm hands its network, pixels of 0..255."""
    from PIL import Image

    arrays = [np.asarray(Image.open(io.BytesIO(photo)).convert("RGB")) for photo in photos]
    return np.stack(arrays).transpose(0, 3, 1, 2).astype(np.float32)
