"""What each fault of `yolox_edu.clinic` costs: a short training run for each, and the shipped weights.

    python benchmarks/clinic.py [--quick] [--runs FOLDER]

Each run is kept in a file of its own, so that a command which was stopped goes on where it stopped; several
at once share the work. The last one to end writes yolox_edu/measured/clinic.json. About a minute a run.
"""

import argparse
import json
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from yolox_edu import build
from yolox_edu.clinic import FAULTS, plant
from yolox_edu.clinic_reader import Reader, false_alarms, judge
from yolox_edu.clinic_source import only
from yolox_edu.data.crossing import Crossing
from yolox_edu.data.training import RamCache, TrainSet
from yolox_edu.logs import read_log
from yolox_edu.measured import FOLDER, keep
from yolox_edu.recipe import recipe_for
from yolox_edu.train import NotFinite, Trainer
from yolox_edu.weights import load

SIZE, PICTURES, EPOCHS, UNSEEN = 160, 240, 8, 48
WATCHED = 10  # the street of UNSEEN that the page shows
KEPT = 400  # finds of it, at most; what finds everything everywhere is to be seen doing so
SEEDS = [0, 1, 2]
TRAINED = [name for name, fault in FAULTS.items() if fault.part in ("source", "recipe", "trainer", "builder")]
READ = [name for name, fault in FAULTS.items() if fault.part == "reader" and name != "two devices"]
# Two faults need a healthy twin of their own: cars alone, and mosaic.
TWINS = {"empty pictures dropped": "healthy, cars alone", "mosaic to the end": "healthy, with mosaic"}
AGAIN = ("no warm-up", "80 classes for 8", "NaN boxes")  # nearly healthy, so looked at with all seeds


def training(name: str, seed: int, pictures: int = PICTURES, until: int | None = None) -> dict:
    """Train once with (or without) a fault; what came of it."""
    mosaic = name in ("mosaic to the end", "healthy, with mosaic")
    alone = "car" if name in ("empty pictures dropped", "healthy, cars alone") else None
    source = streets("train", pictures, SIZE)
    source = only(source, alone) if alone else source
    recipe, augment = recipe_for("pico", pictures, size=SIZE, epochs=EPOCHS, seed=seed, precision="bf16")
    parts = {"source": source, "recipe": recipe, "trainer": Trainer, "builder": build}
    if name in FAULTS:
        parts[FAULTS[name].part] = plant(name, parts[FAULTS[name].part])
    source, recipe = parts["source"], parts["recipe"]
    # as many steps where there are fewer pictures
    recipe = replace(recipe, epochs=round(EPOCHS * pictures / len(source)))
    names = (*Crossing.names, "a ninth") if name == "classes from 1" else Crossing.names
    torch.manual_seed(seed)
    model = parts["builder"]("pico", len(names), names)
    train_set = TrainSet(source, (SIZE, SIZE), replace(augment, mosaic=float(mosaic)), seed)
    with TemporaryDirectory() as folder:
        trainer = parts["trainer"](model, train_set, recipe, Path(folder), progress=False)
        error = ""
        try:
            trainer.run(until)
        except NotFinite as stopped:
            error = str(stopped)
        rows = read_log(Path(folder) / "log.csv")
    reader = Reader(trainer.ema.model.eval())
    reader.model.size = (SIZE, SIZE)
    result = outcome(reader, streets("val", UNSEEN, SIZE), alone)
    return {**result, "error": error, "curve": thin(rows)}


@cache
def streets(split: str, count: int, size: int) -> RamCache:
    """Pictures to learn from or to judge by, drawn once."""
    return RamCache(Crossing.split(split, count, size))


def reading(name: str, size: int = 480, unseen: int = UNSEEN) -> dict:
    """The shipped weights, read with (or without) a fault, on pictures larger than their canvas."""
    reader = Reader(load("crossing"))
    return outcome(plant(name, reader) if name in FAULTS else reader, streets("val", unseen, size))


def outcome(reader: Reader, unseen: RamCache, alone: str | None = None) -> dict:
    """AP, false alarms, and what is found in the watched street; for one class alone, where there is one."""
    result = judge(reader, unseen)
    if alone:
        result["AP"] = result["per_class"][alone]
        result["alarms"] = alarms_without(reader, unseen, unseen.names.index(alone))
    found = {key: value[:KEPT].tolist() for key, value in reader(unseen[WATCHED % len(unseen)][0]).items()}
    seen = [
        [*(round(1000 * side / unseen.source.size) for side in box), label, round(score, 3)]
        for box, score, label in zip(found["boxes"], found["scores"], found["labels"])
        if score >= 0.15
    ]  # left, top, right, bottom in thousandths of the picture; class; score
    result["per_class"] = {key: round(value, 4) for key, value in result["per_class"].items()}
    numbers = {key: round(result[key], 4) for key in ("AP", "alarms", "rows")}
    return {**numbers, "per_class": result["per_class"], "seen": seen}


def alarms_without(reader: Reader, unseen: RamCache, label: int) -> float:
    """Finds of a class a picture, in the pictures that have nothing of it."""
    alarms = []
    for picture, target in (unseen[i] for i in range(len(unseen))):
        if label not in target["labels"]:
            found = reader(picture)
            mine = {key: value[found["labels"] == label] for key, value in found.items()}
            alarms.append(false_alarms(mine, {"boxes": target["boxes"][:0]}))
    return sum(alarms) / max(len(alarms), 1)


def thin(rows: list[dict], points: int = 48) -> dict[str, list]:
    """Means of some steps each, of the loss terms."""
    size = max(1, len(rows) // points)
    blocks = [rows[i : i + size] for i in range(0, len(rows) - size + 1, size)]
    curve: dict[str, list] = {"step": [int(block[-1]["step"]) for block in blocks]}
    for term in ("loss", "box", "objectness", "class"):
        curve[term] = [float(f"{sum(row[term] for row in block) / len(block):.4g}") for block in blocks]
    return curve


def main() -> None:
    """All runs, in the order in which the page needs them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps each, to see that it works")
    parser.add_argument("--runs", type=Path, default=Path("runs/clinic"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.runs.mkdir(parents=True, exist_ok=True)
    plan = [("healthy reader", 0), *((name, 0) for name in READ), ("healthy", 0)]
    plan += [(name, 0) for name in TRAINED if name not in TWINS]
    plan += [("healthy", 1), *((n, 0) for pair in TWINS.items() for n in pair), ("healthy", 2)]
    plan += [(name, seed) for name in AGAIN for seed in SEEDS[1:]]
    for number, (name, seed) in enumerate(plan):
        path = args.runs / f"{number:02d}{'-quick' * args.quick}.json"
        if path.exists():
            continue
        path.touch()  # mine now; a run that was killed leaves an empty file, to be removed
        read = name in READ or name == "healthy reader"
        few = {"pictures": 16, "until": 4} if args.quick else {}
        started = time.process_time()
        row = reading(name, unseen=4 if args.quick else UNSEEN) if read else training(name, seed, **few)
        row = {"name": name, "seed": seed, **row, "seconds": round(time.process_time() - started)}
        path.write_text(json.dumps(row))
        print(f"{name:30} {seed}  AP {row['AP']:.3f}  {row['seconds']} s", flush=True)
    texts = [path.read_text() for path in sorted(args.runs.glob(f"??{'-quick' * args.quick}.json"))]
    if len(texts) == len(plan) and all(texts):
        print(
            keep("clinic", [json.loads(text) for text in texts], SEEDS, args.runs if args.quick else FOLDER)
        )


if __name__ == "__main__":
    main()
