"""Networks in PyTorch, named as torchvision, timm and EfficientNet-PyTorch name their parts.

Run by an interpreter that has torch: `python torch_reference.py NETWORK FOLDER` draws a network's
weights, and writes them, a photo and every stage's output. Written from the papers and from the
names in the published files; no code of those projects.
"""

import collections
import math
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

RESNETS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
RESNETS |= {"resnet101": (3, 4, 23, 3), "resnet152": (3, 8, 36, 3)}
BASIC = {"resnet18", "resnet34"}
# repeats, kernel, stride, expansion, channels
B0 = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112)]
B0 += [(4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]


class Unit(nn.Module):
    """A residual unit of torchvision's ResNet: basic, or a bottleneck with its stride on the 3x3."""

    def __init__(self, inputs, width, stride, bottleneck):
        super().__init__()
        outputs = width * 4 if bottleneck else width
        if bottleneck:
            sizes = [(inputs, width, 1, 1), (width, width, 3, stride), (width, outputs, 1, 1)]
        else:
            sizes = [(inputs, width, 3, stride), (width, width, 3, 1)]
        self.depth = len(sizes)
        for number, (before, after, kernel, step) in enumerate(sizes, 1):
            convolution = nn.Conv2d(before, after, kernel, step, kernel // 2, bias=False)
            setattr(self, f"conv{number}", convolution)
            setattr(self, f"bn{number}", nn.BatchNorm2d(after))
        self.downsample = None
        if stride != 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = x
        for number in range(1, self.depth + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            y = torch.relu(y) if number < self.depth else y
        return torch.relu(y + (self.downsample(x) if self.downsample else x))


class ResNet(nn.Module):
    """torchvision's names: conv1, bn1, layer1 to layer4, fc."""

    def __init__(self, name, classes):
        super().__init__()
        bottleneck = name not in BASIC
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for number, repeats in enumerate(RESNETS[name], 1):
            width, units = 32 * 2**number, []
            for repeat in range(repeats):
                stride = 2 if number > 1 and repeat == 0 else 1
                units.append(Unit(inputs, width, stride, bottleneck))
                inputs = width * 4 if bottleneck else width
            setattr(self, f"layer{number}", nn.Sequential(*units))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        stages = [torch.relu(self.bn1(self.conv1(x)))]
        stages.append(functional.max_pool2d(stages[-1], 3, 2, 1))
        for number in (1, 2, 3, 4):
            stages.extend([getattr(self, f"layer{number}")(stages[-1])])
        return [*stages, self.fc(stages[-1].mean((2, 3)))]


class Same(nn.Conv2d):
    """TensorFlow's padding, for any picture."""

    def forward(self, x):
        pads = []
        for size in (x.shape[3], x.shape[2]):
            out = math.ceil(size / self.stride[0])
            total = max((out - 1) * self.stride[0] + self.kernel_size[0] - size, 0)
            pads += [total // 2, total - total // 2]
        return functional.conv2d(
            functional.pad(x, pads), self.weight, self.bias, self.stride, 0, 1, self.groups
        )


def layer(same, inputs, outputs, *, kernel=1, stride=1, groups=1, bias=False):
    """A convolution of the wanted padding."""
    kind = Same if same else nn.Conv2d
    return kind(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=bias)


NAMES = {
    # expand, its norm, depthwise, its norm, squeeze, expand again, project, its norm
    "lukemelas": "_expand_conv _bn0 _depthwise_conv _bn1 _se_reduce _se_expand _project_conv _bn2",
    "timm": "conv_pw bn1 conv_dw bn2 se.conv_reduce se.conv_expand conv_pwl bn3",
    "timm0": "- - conv_dw bn1 se.conv_reduce se.conv_expand conv_pw bn2",
    "torchvision": "block.0.0 block.0.1 block.1.0 block.1.1 block.2.fc1 block.2.fc2 block.3.0 block.3.1",
    "torchvision0": "- - block.0.0 block.0.1 block.1.fc1 block.1.fc2 block.2.0 block.2.1",
}
ENDS = {
    "lukemelas": "_conv_stem _bn0 _conv_head _bn1 _fc",
    "timm": "conv_stem bn1 conv_head bn2 classifier",
    "torchvision": "features.0.0 features.0.1 features.8.0 features.8.1 classifier.1",
}
FORMS = {
    # names, TensorFlow's padding, epsilon, squeeze-and-excitation
    "efficientnet-lite0": ("lukemelas", True, 1e-3, False),
    "efficientnet-lite1": ("lukemelas", True, 1e-3, False),
    "efficientnet-lite2": ("lukemelas", True, 1e-3, False),
    "tf_efficientnet-b0": ("timm", True, 1e-3, True),
    "efficientnet-b0": ("timm", False, 1e-5, True),
    "torchvision-efficientnet-b0": ("torchvision", False, 1e-5, True),
}


SCALES = {"efficientnet-lite1": (1.0, 1.1), "efficientnet-lite2": (1.1, 1.2)}
"""Width and depth, as multiples of Lite0's; stem, head and the outer stages' depth stay."""


def scaled_stages(name):
    """Repeats, kernel, stride, expansion and channels of each stage."""
    width, depth = SCALES.get(name, (1.0, 1.0))
    stages = []
    for stage, (repeats, *form, channels) in enumerate(B0):
        outer = stage in (0, len(B0) - 1)
        wide = int(channels * width + 4) // 8 * 8
        wide += 8 * (wide < 0.9 * channels * width)
        stages.append((repeats if outer else math.ceil(repeats * depth), *form, wide))
    return stages


class EfficientNet:
    """EfficientNet-Lite0 to 2 or B0: its layers by published name, applied in order."""

    def __init__(self, name, classes):
        self.whose, self.same, self.epsilon, self.squeezes = FORMS[name]
        self.layers = collections.OrderedDict()
        stem, norm, head, head_norm, output = ENDS[self.whose].split()
        self.add(stem, 3, 32, norm, kernel=3, stride=2)
        self.blocks, inputs = [], 32
        for stage, (repeats, kernel, stride, expansion, channels) in enumerate(scaled_stages(name)):
            for repeat in range(repeats):
                step = 1 if repeat else stride
                self.block(stage, repeat, inputs, (kernel, step, expansion, channels))
                inputs = channels
        self.add(head, inputs, 1280, head_norm)
        self.layers[output] = nn.Linear(1280, classes)

    def add(self, name, inputs, outputs, norm, **options):
        self.layers[name] = layer(self.same, inputs, outputs, **options)
        self.layers[norm] = nn.BatchNorm2d(outputs, eps=self.epsilon)

    def block(self, stage, repeat, inputs, form):
        kernel, stride, expansion, channels = form
        first = "0" if stage == 0 and self.whose != "lukemelas" else ""
        prefix = {
            "lukemelas": f"_blocks.{len(self.blocks)}",
            "timm": f"blocks.{stage}.{repeat}",
            "torchvision": f"features.{stage + 1}.{repeat}",
        }[self.whose]
        names = [f"{prefix}.{part}" for part in NAMES[self.whose + first].split()]
        width = inputs * expansion
        if expansion > 1:
            self.add(names[0], inputs, width, names[1])
        self.add(names[2], width, width, names[3], kernel=kernel, stride=stride, groups=width)
        if self.squeezes:
            self.layers[names[4]] = nn.Conv2d(width, inputs // 4, 1)
            self.layers[names[5]] = nn.Conv2d(inputs // 4, width, 1)
        self.add(names[6], width, channels, names[7])
        self.blocks.append((names, expansion > 1, stride == 1 and inputs == channels))

    def act(self, x):
        return functional.silu(x) if self.squeezes else x.clamp(0, 6)

    def apply(self, x, *names):
        for name in names:
            x = self.layers[name](x)
        return x

    def __call__(self, x):
        stem, norm, head, head_norm, output = ENDS[self.whose].split()
        stages = [self.act(self.apply(x, stem, norm))]
        for names, expands, shortcut in self.blocks:
            y = x = stages[-1]
            if expands:
                y = self.act(self.apply(y, *names[:2]))
            y = self.act(self.apply(y, *names[2:4]))
            if self.squeezes:
                factor = self.act(self.apply(y.mean((2, 3), keepdim=True), names[4]))
                y = y * torch.sigmoid(self.apply(factor, names[5]))
            y = self.apply(y, *names[6:])
            stages.append(x + y if shortcut else y)
        stages.append(self.act(self.apply(stages[-1], head, head_norm)))
        return [*stages, self.layers[output](stages[-1].mean((2, 3)))]

    def state_dict(self):
        return collections.OrderedDict(
            (f"{name}.{leaf}", value)
            for name, each in self.layers.items()
            for leaf, value in each.state_dict().items()
        )

    def modules(self):
        return self.layers.values()

    def eval(self):
        for each in self.layers.values():
            each.eval()


def main(name, folder):
    """Write weights.pth and stages.npz, and of the smallest ResNet every other form of file."""
    torch.manual_seed(3)
    network = ResNet(name, 7) if name in RESNETS else EfficientNet(name, 7)
    for each in network.modules():
        if isinstance(each, nn.BatchNorm2d):
            nn.init.uniform_(each.weight, 0.6, 1.4)
            nn.init.normal_(each.bias, 0, 0.2)
            each.running_mean.normal_(0, 0.2)
            each.running_var.uniform_(0.3, 1.2)
    network.eval()
    photo = torch.randn(2, 3, 75, 75)  # odd at the first halving, even at the second
    with torch.no_grad():
        stages = network(photo)
    state = network.state_dict()
    torch.save(state, folder / "weights.pth")
    arrays = {str(number): stage.numpy() for number, stage in enumerate(stages)}
    np.savez(folder / "stages.npz", photo=photo.numpy(), **arrays)
    if name == "resnet18":
        write_other_forms(state, folder)


def write_other_forms(state, folder):
    """Write legacy.pth, checkpoint.pth, bf16.pth and views.pth."""
    torch.save(state, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(
        {"epoch": 3, "state_dict": state, "optimizer": {"state": [torch.ones(4)]}},
        folder / "checkpoint.pth",
    )
    torch.save({name: value.bfloat16() for name, value in state.items()}, folder / "bf16.pth")
    turned = torch.arange(24.0).reshape(2, 3, 4)
    torch.save({"view": turned.permute(2, 0, 1)[1:], "whole": turned}, folder / "views.pth")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
