"""Draw the README's picture anew: four crossings that the network never saw, with what it found in them.

    python book/_tools/hero.py

Writes book/_static/hero.png. Do it after the embedded weights have changed, and look at it.
"""

from pathlib import Path

from PIL import Image

from yolox_edu.data.crossing import Crossing
from yolox_edu.detect import Detector
from yolox_edu.draw import draw

HERO = Path(__file__).resolve().parents[1] / "_static" / "hero.png"
PICTURES = (18, 10, 13, 9)  # of the split "val": day, snow, night, dusk
WIDTH, HEIGHT, GAP = 400, 300, 6


def hero() -> Image.Image:
    """Two by two pictures on white, in 256 colours so that the file stays small."""
    detector = Detector("crossing", confidence=0.35, device="cpu")
    sheet = Image.new("RGB", (2 * WIDTH + GAP, 2 * HEIGHT + GAP), "white")
    streets = Crossing.split("val", max(PICTURES) + 1, size=640)
    for place, index in enumerate(PICTURES):
        picture = streets[index][0][160:, :]  # 480 640 3
        tile = draw(picture, detector(picture)).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        sheet.paste(tile, (place % 2 * (WIDTH + GAP), place // 2 * (HEIGHT + GAP)))
    return sheet.quantize(256, Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)


if __name__ == "__main__":
    hero().save(HERO, optimize=True)
    print(f"{HERO.name}: {HERO.stat().st_size / 1000:.0f} KB")
