"""Trains the five systems' networks, and our best ones, and says how well they do.

    python benchmarks/accuracy.py RECIPE [RECIPE ...] --data FOLDER --out FOLDER

FOLDER of the data holds `olx5/{train,test}/<category>` and `clothing10/{train,validation,test}`
(not ours to give away: docs/results.md says what they are); Fashion-MNIST is fetched. Records,
models and reports stay in OUT, so that a recipe which was broken off goes on, and one that has
ended is told from its files. Prints a JSON object for each recipe.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SNAPSHELF = (sys.executable, "-W", "ignore", "-m", "scripts.cli")


@dataclass(frozen=True)
class Recipe:
    """What is trained on what.

    Attributes:
        photos: where they come from; `{data}` is the folder of the data.
        prepare: further arguments of `snapshelf prepare`.
        train: further arguments of `snapshelf train`; `NAME=VALUE` becomes `--set NAME=VALUE`.
        positive: the one category that is told from all others.
    """

    photos: str
    prepare: tuple[str, ...]
    train: tuple[str, ...]
    positive: str = ""


def fashion(share: str) -> tuple[str, ...]:
    """Fashion-MNIST as it is, a share of its 60,000 trained on, the rest for validation."""
    return ("--size", "28", "--encoding", "png", "--train-ratio", share)


KERAS = (
    "image_shape=1,28,28",
    "optimizer=adam",
    "learning_rate=0.001",
    "lr_schedule=constant",
    "weight_decay=0",
)
"""As the two networks' authors trained them."""

LITE0 = ("--pretrained", "efficientnet-lite0", "head_start=1", "augmentation_type=crop")

HEAD = (*LITE0, "--epochs", "1", "freeze_epochs=1", "learning_rate=0.001")
"""What was learnt elsewhere is kept, and a regression on top of it."""

LITE2_MEANS = (
    "--pretrained",
    "efficientnet-lite2",
    "head_start=1",
    "head_rule=means",
    "--epochs",
    "1",
    "freeze_epochs=1",
    "epoch_photos=32",
    "learning_rate=0",
)
"""What was learnt elsewhere is kept, and each category's mean direction on top of it."""

HEAD_LONGER = (*LITE0, "--epochs", "3", "freeze_epochs=3", "learning_rate=0.001")

FINE = (
    *LITE0,
    "--epochs",
    "3",
    "learning_rate=0.002",
    "lr_schedule=cosine",
    "freeze_statistics=1",
    "min_area=0.4",
    "colour_jitter=0.2",
)
"""From there all layers are trained, gently."""

MARKETPLACE = (
    "--network",
    "resnet34",
    "--epochs",
    "10",
    "stem_pooling=2",
    "augmentation_type=crop",
    "learning_rate=0.05",
)

FASHION_MNIST, OLX, CLOTHES = "fashion-mnist", "{data}/olx5/train", "{data}/clothing10/train"
OLX_TEST = ("--test", "{data}/olx5/test", "--train-ratio", "0.9")
CLOTHES_TEST = (
    "--validation",
    "{data}/clothing10/validation",
    "--test",
    "{data}/clothing10/test",
)

RECIPES = {
    "fashion-refund": Recipe(
        FASHION_MNIST,
        fashion("0.6"),
        ("--network", "refund_cnn", "--epochs", "10", "mini_batch_size=64", *KERAS),
    ),
    "fashion-contest": Recipe(
        FASHION_MNIST,
        fashion("1"),
        ("--network", "contest_cnn", "--epochs", "15", "mini_batch_size=150", *KERAS),
    ),
    "fashion-contest-plain": Recipe(
        FASHION_MNIST,
        fashion("1"),
        ("--network", "contest_cnn_plain", "--epochs", "15", "mini_batch_size=150", *KERAS),
    ),
    "fashion-refund-longer": Recipe(
        FASHION_MNIST,
        fashion("0.9"),
        (
            "--network",
            "refund_cnn",
            "--epochs",
            "15",
            "mini_batch_size=64",
            *(part for part in KERAS if not part.startswith("lr_schedule")),
            "lr_schedule=cosine",
            "augmentation_type=crop",
            "min_area=0.8",
        ),
    ),
    "fashion-best": Recipe(
        FASHION_MNIST,
        fashion("1"),
        (
            "--network",
            "resnet9-w24",
            "--epochs",
            "13",
            "image_shape=1,28,28",
            "picture_sizes=20:7,24:2,28:4",
            "mini_batch_size=128",
            "optimizer=nag",
            "learning_rate=0.2",
            "lr_schedule=polynomial",
            "lr_power=1",
            "warmup_epochs=2",
            "weight_decay=0.0005",
            "weight_average=0.998",
            "label_smoothing=0.1",
            "padding=2",
            "mirror=1",
            "random_erasing=0.25",
        ),
    ),
    "fashion-resnet20": Recipe(
        FASHION_MNIST,
        fashion("1"),
        (
            "--network",
            "resnet20",
            "--epochs",
            "24",
            "image_shape=1,28,28",
            "learning_rate=0.1",
            "lr_schedule=cosine",
            "warmup_epochs=1",
            "mini_batch_size=128",
            "weight_decay=0.0005",
            "augmentation_type=crop",
            "min_area=0.7",
            "random_erasing=0.25",
        ),
    ),
    "olx5-nothing": Recipe(OLX, OLX_TEST, (*MARKETPLACE, "lr_decay=0.2")),
    "olx5-constant": Recipe(OLX, OLX_TEST, (*MARKETPLACE, "lr_schedule=constant")),
    "olx5-head": Recipe(OLX, OLX_TEST, HEAD),
    "olx5-head-160": Recipe(OLX, (*OLX_TEST, "--size", "160"), HEAD),
    "olx5-means-160": Recipe(OLX, (*OLX_TEST, "--size", "160"), LITE2_MEANS),
    "olx5-means-224": Recipe(OLX, (*OLX_TEST, "--size", "224"), LITE2_MEANS),
    "olx5-transfer": Recipe(OLX, OLX_TEST, FINE),
    "olx5-transfer-160": Recipe(OLX, (*OLX_TEST, "--size", "160"), FINE),
    "clothing10-head": Recipe(CLOTHES, CLOTHES_TEST, HEAD),
    "clothing10-transfer": Recipe(CLOTHES, CLOTHES_TEST, FINE),
    "mobile-or-not": Recipe(OLX, OLX_TEST, HEAD, positive="mobile"),
    "mobile-or-not-160": Recipe(OLX, (*OLX_TEST, "--size", "160"), HEAD, positive="mobile"),
    "mobile-or-not-turned": Recipe(
        OLX, (*OLX_TEST, "--size", "160"), (*HEAD_LONGER, "rotation=180"), positive="mobile"
    ),
}


def run(name: str, data: Path, out: Path) -> dict[str, Any]:
    """Prepare, train and measure; what is done already is not done again."""
    recipe, model = RECIPES[name], out / name
    records = prepared(recipe, data, out)
    arguments = [part for one in recipe.train for part in as_argument(one)]
    if not (model / "model.tar.gz").exists():
        command(["train", str(records), "--out", str(model), *arguments])
    report = json.loads((model / "report" / "test" / "metrics.json").read_text())
    job = json.loads((model / "report" / "metrics.json").read_text())
    speeds = [epoch["images_per_second"] for epoch in job["epochs"]]
    return {
        "recipe": name,
        "test_accuracy": report["accuracy"],
        "macro_f1": report["averages"]["macro"]["f1"],
        "photos": job["photos"],
        "seconds": job["seconds"],
        "photos_per_second": round(sorted(speeds)[len(speeds) // 2], 1),
    }


def as_argument(text: str) -> list[str]:
    """`NAME=VALUE` as `--set NAME=VALUE`, anything else as it is."""
    return ["--set", text] if "=" in text and not text.startswith("-") else [text]


def prepared(recipe: Recipe, data: Path, out: Path) -> Path:
    """The records of a recipe, which others with the same photos share."""
    places = [part.format(data=data.resolve()) for part in (recipe.photos, *recipe.prepare)]
    if recipe.photos == FASHION_MNIST:
        train, test = fashion_mnist(out)
        places = [str(train), "--test", str(test), *places[1:]]
    if recipe.positive:
        places += ["--positive", recipe.positive]
    kind = "-".join([Path(places[0]).parent.name, *recipe.prepare[2:], recipe.positive])
    records = out / "records" / "".join(c if c.isalnum() or c in ".-" else "_" for c in kind)
    command(["prepare", *places, "--out", str(records)])
    return records


def fashion_mnist(out: Path) -> tuple[Path, Path]:
    """Its two files of pictures; the labels lie beside them."""
    sys.path.insert(0, str(ROOT))
    from scripts.fashion_mnist import fetch_fashion_mnist

    folder = fetch_fashion_mnist(out / "fashion-mnist")
    return folder / "train-images-idx3-ubyte.gz", folder / "t10k-images-idx3-ubyte.gz"


def command(arguments: list[str]) -> None:
    """Run `snapshelf`, its progress on stderr."""
    print("snapshelf", *arguments, file=sys.stderr, flush=True)
    subprocess.run([*SNAPSHELF, *arguments], cwd=ROOT, check=True, stdout=sys.stderr)


def main() -> None:
    """Recipes in the order in which they are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("recipes", nargs="+", choices=RECIPES, metavar="RECIPE")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    for name in arguments.recipes:
        print(json.dumps(run(name, arguments.data, arguments.out.resolve())), flush=True)


if __name__ == "__main__":
    main()
