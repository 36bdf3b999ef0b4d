"""`python -m yolox_edu data`: write Crossing, fetch COCO; look at, check, convert. Chapters 16, 19, 21."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from yolox_edu.cli_options import open_source, positive, size, tell
from yolox_edu.data.check import check
from yolox_edu.data.crossing import SPLIT_SEEDS, Crossing, contact_sheet, write_coco

EPILOG = """\
examples:
  python -m yolox_edu data crossing data/crossing --count 500          pictures and COCO annotations
  python -m yolox_edu data coco data/coco --pictures 50 --classes person dog     a taste of COCO
  python -m yolox_edu data coco data/coco                              annotations and val2017: 1.1 GB
  python -m yolox_edu data sheet crossing --out sheet.png              the first pictures with their boxes
  python -m yolox_edu data sheet my-pictures --split train --first 40 --out sheet.png
  python -m yolox_edu data check my-pictures                           names what is wrong with a set
  python -m yolox_edu data convert yolo my-labels --to my-pictures     labels of YOLO, or voc, become COCO's
"""


COCO = """\
Fetch COCO 2017 into a folder, checked and unpacked; or a few single pictures of it.
Interrupted, the same command goes on where it stopped. What is there is not fetched again.
"""
COCO_EPILOG = """\
examples:
  python -m yolox_edu data coco data/coco                     to evaluate: 1.1 GB to fetch
  python -m yolox_edu data coco data/coco --parts train2017   to train: 19 GB, twice that on disk
  python -m yolox_edu data coco data/coco --pictures 50       to taste: 0.25 GB and 50 pictures
  python -m yolox_edu data coco data/coco --pictures 50 --classes dog "traffic light"
The archives are compared with COCO's sizes and md5 sums. HTTPS_PROXY names a proxy.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The sub-commands of `data`."""
    parser.epilog = EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    same = {"formatter_class": parser.formatter_class}

    write = actions.add_parser("crossing", help="write the drawn street crossing in COCO's layout", **same)
    write.add_argument("folder", type=Path, metavar="DIR", help="where to write")
    write.add_argument("--count", type=positive, default=200, help="number of pictures")
    write.add_argument(
        "--split", default="train", help="name of the part; train and val never share a picture"
    )
    write.add_argument("--size", type=positive, default=320, help="side of the pictures, a multiple of 32")
    write.add_argument("--seed", type=int, help="draw other pictures (default: 0 for train, 1 for val)")
    write.add_argument(
        "--jpeg", action="store_true", help="JPEG instead of PNG: smaller, not quite the same pixels"
    )
    write.add_argument("--workers", type=positive, default=1, help="processes that draw")

    coco = {"description": COCO, "epilog": COCO_EPILOG}
    _add_coco(actions.add_parser("coco", help="fetch COCO 2017, or a few pictures of it", **coco, **same))

    sheet = actions.add_parser("sheet", help="a contact sheet: pictures with their boxes", **same)
    sheet.add_argument(
        "data", metavar="crossing|DIR", help="the drawn crossing, or a folder in COCO's layout"
    )
    sheet.add_argument("--split", default="val", help="which part")
    sheet.add_argument("--first", type=int, default=0, help="the first picture, counted from 0")
    sheet.add_argument("--count", type=positive, default=12, help="number of pictures")
    sheet.add_argument("--columns", type=positive, default=4, help="pictures a row")
    sheet.add_argument("--no-boxes", action="store_true", help="pictures only")
    sheet.add_argument("--out", type=Path, default=Path("sheet.png"), help="the PNG to write")

    look = actions.add_parser(
        "check", help="what is wrong with a set: files, fields, boxes, pictures", **same
    )
    look.add_argument("data", metavar="crossing|DIR", help="the drawn crossing, or a folder in COCO's layout")
    look.add_argument("--split", help="which part (default: all, and whether they share pictures)")
    look.add_argument(
        "--size", type=size, default=640, help="the network's input: smaller boxes are not learnt"
    )
    look.add_argument("--json", type=Path, metavar="FILE", help="also write the findings as JSON")

    turn = actions.add_parser("convert", help="labels of YOLO or VOC become COCO's layout", **same)
    turn.add_argument("kind", choices=("yolo", "voc"), help="how they are laid out now")
    turn.add_argument("folder", type=Path, metavar="DIR", help="where they lie; it is not changed")
    turn.add_argument("--to", type=Path, required=True, metavar="OUT", help="a new folder")
    turn.add_argument("--names", nargs="+", metavar="CLASS", help="the classes in order (default: as found)")
    turn.add_argument("--from-zero", action="store_true", help="voc: boxes count from 0, as LabelImg's do")


def _add_coco(fetch: argparse.ArgumentParser) -> None:
    """The options of `data coco`."""
    fetch.add_argument("folder", type=Path, metavar="DIR", help="where to put it")
    what = fetch.add_mutually_exclusive_group()
    what.add_argument(
        "--parts",
        nargs="+",
        choices=("annotations", "val2017", "train2017"),
        default=["annotations", "val2017"],
        metavar="PART",
        help="which archives: annotations (0.25 GB), val2017 (0.8 GB), train2017 (19 GB) "
        "(default: the first two)",
    )
    what.add_argument(
        "--pictures",
        type=positive,
        metavar="N",
        help="no archive of pictures, but N single ones, and the annotations, which know them",
    )
    fetch.add_argument(
        "--split",
        choices=("val2017", "train2017"),
        help="with --pictures: from which part (default: val2017)",
    )
    fetch.add_argument(
        "--classes",
        nargs="+",
        metavar="CLASS",
        help="with --pictures: only such that show one of these, with the boxes of these only",
    )
    fetch.add_argument("--seed", type=int, help="with --pictures: another number takes others (default: 0)")
    fetch.add_argument(
        "--mirror", metavar="URL", help="another server that has COCO's files under the same paths"
    )
    fetch.add_argument("--keep", action="store_true", help="do not delete an archive once it is unpacked")


def main(arguments: argparse.Namespace) -> int:
    """Run the sub-command that was asked for."""
    actions = {"crossing": _write, "coco": _fetch, "sheet": _sheet, "check": _check, "convert": _convert}
    return actions[arguments.action](arguments)


def _fetch(arguments: argparse.Namespace) -> int:
    from yolox_edu.data.coco_fetch import fetch_coco  # needs requests
    from yolox_edu.data.coco_pictures import fetch_pictures

    folder, mirror = arguments.folder, arguments.mirror
    if arguments.pictures is None:
        for option in ("split", "classes", "seed"):
            if getattr(arguments, option) is not None:
                raise ValueError(
                    f"--{option}: an archive holds all its pictures, and --parts says which archives; "
                    f"it goes with --pictures N, for single ones"
                )
        for part in arguments.parts:
            print(f"there: {fetch_coco(folder, part, mirror=mirror, keep=arguments.keep)}", flush=True)
        return 0
    split, count, seed = arguments.split or "val2017", arguments.pictures, arguments.seed or 0
    name = fetch_pictures(folder, split, count, arguments.classes or (), seed, mirror=mirror)
    print(f"{count} pictures in {folder / name}; use them with --data {folder} --split {name}")
    return 0


def _write(arguments: argparse.Namespace) -> int:
    seed = arguments.seed if arguments.seed is not None else SPLIT_SEEDS.get(arguments.split)
    if seed is None:
        raise ValueError(
            f"--split {arguments.split}: give a --seed too (only train and val have one of their own)"
        )
    source = Crossing(arguments.count, seed, arguments.size)
    suffix = ".jpg" if arguments.jpeg else ".png"
    annotations = write_coco(source, arguments.folder, arguments.split, suffix, arguments.workers)
    print(f"{len(source)} pictures in {arguments.folder / arguments.split}, boxes in {annotations}")
    return 0


def _sheet(arguments: argparse.Namespace) -> int:
    end = arguments.first + arguments.count
    source = open_source(arguments.data, arguments.split, end if arguments.data == "crossing" else None)
    indices = range(arguments.first, min(end, len(source)))
    if not 0 <= arguments.first < len(source):
        raise ValueError(
            f"--first {arguments.first}: {arguments.data} has the pictures 0 to {len(source) - 1}"
        )
    picture = contact_sheet(source, indices, arguments.columns, not arguments.no_boxes)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    picture.save(arguments.out)
    print(f"{len(indices)} pictures on {arguments.out}")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    if sys.stderr.isatty() and arguments.data != "crossing":
        print("looking at every picture, 1 to 5 ms each ...", file=sys.stderr)
    findings = check(arguments.data, arguments.split, arguments.size)
    return tell(findings, arguments.json)


def _convert(arguments: argparse.Namespace) -> int:
    from yolox_edu.data.convert_voc import voc_to_coco  # needs defusedxml
    from yolox_edu.data.convert_yolo import yolo_to_coco  # needs pyyaml

    if arguments.kind == "yolo":
        if arguments.from_zero:
            raise ValueError("--from-zero: YOLO's boxes are shares of the picture; it is for voc")
        counts = yolo_to_coco(arguments.folder, arguments.to, arguments.names)
    else:
        counts = voc_to_coco(arguments.folder, arguments.to, arguments.names, arguments.from_zero)
    for split, count in counts.items():
        print(f"{split}: {count} pictures in {arguments.to / split}")
    file = next((arguments.to / "annotations").glob("*.json"))
    names = [category["name"] for category in json.loads(file.read_text(encoding="utf-8"))["categories"]]
    print(f"classes, in this order: {', '.join(names)}")
    print(f"now look at it: python -m yolox_edu data check {arguments.to}")
    return 0
