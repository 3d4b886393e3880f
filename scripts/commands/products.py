"""`snapshelf products`: one verdict a product, from one to four photos each."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from contracts import DatasetError
from scripts.output_file import OutputFile


@click.command("products")
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.argument("products", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out",
    required=True,
    type=OutputFile(),
    help="Where the rows `_id,category_id` go.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def products_command(*, model: Path, products: Path, out: Path, as_json: bool) -> None:
    """Name the category of every product in PRODUCTS, a BSON file as Cdiscount's competition has.

    MODEL is a model.tar.gz, or the folder that holds one; its categories are category_ids. A
    product's verdict is the mean over its photos. OUT is the competition's submission; a run that
    was broken off goes on when it is given again. Products that bear their category, as those of
    train.bson do, are counted: by product, by photo, by level of the category tree.

    \b
    Example:
      snapshelf products model test.bson --out submission.csv
    """  # noqa: D301  # click reads the backspace
    from scripts.asking import load_model
    from scripts.products import answer_products

    loaded = load_model(model)
    began = time.perf_counter()
    outcome = answer_products(loaded, products, out)
    result = {
        "out": str(out),
        "products": outcome.rows,
        "resumed": outcome.resumed,
        "photos": outcome.photos,
        "unanswered": outcome.unanswered,
        "lost": outcome.lost,
        "seconds": round(time.perf_counter() - began, 1),
        **outcome.score.document(),
    }
    click.echo(json.dumps(result) if as_json else _summary(result))
    if outcome.lost:
        raise DatasetError(
            f"{products}: {outcome.lost:,} documents are damaged or cut off: {out} lacks their"
            " products, and what would follow them",
            hint=f"see {out}.problems.csv, and fetch the file again",
        )


def _summary(result: dict[str, Any]) -> str:
    lines = [
        f"{result['products']:,} products, {result['photos']:,} photos in {result['seconds']} s",
    ]
    if result["resumed"]:
        lines.append(f"{result['resumed']:,} of them by a run before, not counted below")
    if "accuracy" in result:
        lines.append(f"right: {result['accuracy']:.2%} of products")
        if result["accuracy_by_photo"] is not None:
            lines[-1] += f", {result['accuracy_by_photo']:.2%} of single photos"
        lines += [
            f"  with {n} photos: {one['accuracy']:.2%} of {one['products']:,}"
            for n, one in result["by_photos"].items()
        ]
        lines += [
            f"  on level {level}: {accuracy:.2%}"
            for level, accuracy in enumerate(result["by_level"], start=1)
        ]
    if result["unanswered"]:
        lines.append(f"{result['unanswered']:,} without a verdict: {result['out']}.problems.csv")
    return "\n".join([*lines, str(result["out"])])
