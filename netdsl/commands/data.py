"""`netdsl data`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netdsl.commands.shared_completion import complete_networks
from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_networks import compiled_network
from netdsl.commands.shared_options import PATH, recipe_overrides
from netdsl.commands.shared_outputs import output_option, print_written, require_outputs
from netdsl.commands.shared_tables import echo, format_option, print_json, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from netdsl.runtime.data_summary import DataSummary

# Images on a sheet, and in a row of it.
_SHOWN, _ROW = 20, 5


@click.command()
@click.argument("path", type=PATH)
@output_option("Draw a sheet of training images with their labels.", required=False, metavar="PICTURE")
@click.option(
    "--network",
    metavar="NETWORK",
    shell_complete=complete_networks,
    help="Draw the first batch as the training of this network has it: its size, after augmentation.",
)
@format_option
def data(path: Path, output: Path | None, network: str | None, form: str) -> None:
    """Show what a folder of images holds.

    PATH is as in `--data folder:PATH`, `--data boxes:PATH` or `--data masks:PATH`: folders of classes, images
    with boxes in COCO JSON, Pascal VOC XML or YOLO text, or images with masks, whose pixels are counted.
    Whatever is wrong with images or boxes is counted. Small boxes have less than 32x32 pixels, large ones
    96x96 or more.
    """
    from rich.console import Console

    from netdsl.runtime.data_summary import summarise

    if network is not None and output is None:
        raise click.UsageError("`--network` is for the sheet of images: add `-o samples.png`")
    console = Console(stderr=True)
    with errors_shown():
        if output is not None:
            from netdsl.runtime.plot import require_format

            require_format(output)
            require_outputs([output])
        found = summarise(str(path), console)
        if output is not None:
            _draw(found, output, network, console)
    if form == "json":
        print_json(_record(found))
    else:
        _print(found)
    if output is not None:
        print_written(output, err=form == "json")


def _draw(found: DataSummary, output: Path, name: str | None, console: Console) -> None:
    """Draws images of the files, or the first batch of a network's training."""
    from netdsl.inspect.sheets.samples import write_first_batch, write_samples
    from netdsl.network import CompiledNetwork
    from netdsl.trained.open_run import divide, read_data

    if name is None:
        write_samples(found, output, _SHOWN, _ROW)
        return
    _, overrides = recipe_overrides((), {"data": f"{found.kind}:{found.path}"})
    network = CompiledNetwork(compiled_network(name, {}, overrides))
    images = divide(network, read_data(network, console))
    write_first_batch(images, network.recipe, output, _SHOWN, _ROW)


def _print(found: DataSummary) -> None:
    sizes = found.sizes
    boxes = found.things == "boxes"
    count = sum(sum(part.by_class) for part in found.parts.values())
    what = f"{len(sizes):,} images" + (f" with {count:,} boxes" if boxes else "")
    echo(f"{found.path}: {what} of {len(found.classes):,} classes ({found.format})")
    echo(f"sizes: {_sizes(found)}")
    echo()
    if boxes:
        print_table(("part", ">images", ">boxes", ">per image", ">without"), _part_rows(found))
        echo()
    names = list(found.parts)
    headings = ["class", *(f">{name}" for name in names)]
    columns = [part.by_class for part in found.parts.values()]
    if boxes:
        from netdsl.runtime.detection.mean_ap import SIZES

        headings += [f">{size}" for size in SIZES]
        columns += _by_size(found)
    rows = [[name, *(f"{column[i]:,}" for column in columns)] for i, name in enumerate(found.classes)]
    total = ["total", *(f"{sum(column):,}" for column in columns)]
    print_table(headings, [*rows, total])
    if found.remarks:
        echo()
    for line in found.remarks:
        echo(line)


def _sizes(found: DataSummary) -> str:
    """The smallest and the largest image, by area, and the number of gray ones."""
    sizes = found.sizes
    areas = sizes[:, 1] * sizes[:, 2]
    ends = [f"{sizes[i, 1]}x{sizes[i, 2]}" for i in (int(areas.argmin()), int(areas.argmax()))]
    gray = int((sizes[:, 0] == 1).sum())
    colours = {0: "in colour", len(sizes): "gray"}.get(gray, f"{gray:,} of them gray")
    return f"{' to '.join(dict.fromkeys(ends))}, {colours}"


def _part_rows(found: DataSummary) -> list[list[str]]:
    rows = []
    for name, part in found.parts.items():
        assert part.per_image is not None
        counts = part.per_image
        mean = f"{counts.float().mean():.1f}, at most {counts.max():,}" if len(counts) else "–"
        without = f"{int((counts == 0).sum()):,}"
        rows.append([name, f"{len(counts):,}", f"{counts.sum():,}", mean, without])
    return rows


def _by_size(found: DataSummary) -> list[list[int]]:
    """The numbers of boxes of each class, in a list for each size."""
    tables = [part.by_size.tolist() for part in found.parts.values() if part.by_size is not None]
    summed = [[sum(cells) for cells in zip(*rows, strict=True)] for rows in zip(*tables, strict=True)]
    return [list(column) for column in zip(*summed, strict=True)]


def _record(found: DataSummary) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    for name, part in found.parts.items():
        parts[name] = {"images": len(part.samples), "unreadable": part.unreadable}
        if part.per_image is None or part.by_size is None:
            parts[name]["by_class"] = part.by_class
            continue
        parts[name] |= {
            "without_boxes": int((part.per_image == 0).sum()),
            "boxes": sum(part.by_class),
            "by_class": part.by_class,
            "by_class_and_size": part.by_size.tolist(),
        }
    return {
        "path": found.path,
        "format": found.format,
        "classes": list(found.classes),
        "parts": parts,
        "sizes": sorted({(height, width) for _, height, width in found.sizes.tolist()})[:100],
        "gray": int((found.sizes[:, 0] == 1).sum()),
        "remarks": found.remarks,
    }
