"""Draw detections onto a picture. Explained in chapter 00."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

from yolox_edu.detect import Detections, Picture, pixels

# Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), told apart with any kind of colour vision.
# Black comes last: it is the hardest to see in a photograph.
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000")
WHITE, BLACK = "#FFFFFF", "#000000"


def colour(label: int) -> str:
    """The colour of a class, the same in every picture."""
    return COLOURS[label % len(COLOURS)]


def ink(background: str) -> str:
    """Black or white, whichever reads better on a background (relative luminance after WCAG 2)."""
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (int(background[i : i + 2], 16) / 255 for i in (1, 3, 5))
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    # contrast with white 1.05 / (L + 0.05) equals contrast with black (L + 0.05) / 0.05 at L = 0.179
    return BLACK if luminance > 0.179 else WHITE


def draw(picture: Picture, detections: Detections) -> Image.Image:
    """The picture with a frame and a label around each detection, as a new PIL image. Chapter 00.

    Lines and letters grow with the picture. The surest detection is drawn last, on top. `picture` is
    whatever `Detector` takes, and the one that these detections were found in.
    """
    image = Image.fromarray(pixels(picture)).copy()
    canvas = ImageDraw.Draw(image)
    line = max(1, round(sum(image.size) / 600))
    font = ImageFont.load_default(size=max(9, round(sum(image.size) / 80)))
    found = list(detections)[::-1]
    for box, _, label, _ in found:
        left, top, right, bottom = (round(side) for side in box)
        right, bottom = max(left, right - 1), max(top, bottom - 1)  # the last pixel that is still inside
        canvas.rectangle((left, top, right, bottom), outline=colour(label), width=line)
    for box, score, label, name in found:  # after all frames, which would strike through them
        corner = round(box[0]), round(box[1])
        _write(canvas, f"{name} {score:.2f}", corner, font, colour(label), line)
    return image


def _write(
    canvas: ImageDraw.ImageDraw,
    text: str,
    corner: tuple[int, int],
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    background: str,
    line: int,
) -> None:
    """A label on its own background: above the box if there is room, else inside; never off the picture."""
    _, _, width, height = (round(side) for side in canvas.textbbox((0, 0), text, font=font))
    width, height = width + 2 * line, height + 2 * line
    picture_width = canvas.im.size[0]
    left = max(0, min(corner[0], picture_width - width))
    top = corner[1] - height if corner[1] >= height else corner[1]
    canvas.rectangle((left, top, left + width, top + height - 1), fill=background)
    canvas.text((left + line, top), text, font=font, fill=ink(background))
