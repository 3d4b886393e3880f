"""How many photos of other things a model names all the same.

    python benchmarks/unfamiliar.py MODEL KNOWN OTHER

MODEL is a model.tar.gz or the folder that holds one; KNOWN a folder of photos of its categories
that it was not trained on; OTHER one of photos that show none of them. Prints the share of each
that is named, and why the rest is not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from contracts import NO_VERDICT, PhotoError
from hosting.model import Model
from infra.deploy.options import find_artifact
from infra.sagemaker.artifacts import unpack


def verdicts(model: Model, folder: Path) -> Counter[str]:
    """How often each reason not to name a category was given; "named" where there was none."""
    found: Counter[str] = Counter()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            verdict = model.verdict(model.answer(path.read_bytes()))
        except PhotoError:
            found["unreadable"] += 1
            continue
        found["named" if verdict.category != NO_VERDICT else str(verdict.reason)] += 1
    return found


def main() -> None:
    """Both folders."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("folders", type=Path, nargs=2, metavar="FOLDER")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        unpack(find_artifact(arguments.model), Path(folder))
        model = Model.load(Path(folder), threads=2)
        for photos in arguments.folders:
            counts = verdicts(model, photos)
            total = sum(counts.values())
            told = ", ".join(f"{reason} {n / total:.1%}" for reason, n in counts.most_common())
            print(f"{photos.name}: {total} photos: {told}")


if __name__ == "__main__":
    main()
