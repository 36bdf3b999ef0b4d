"""Detect in a video file or from a webcam. Needs OpenCV (extra `train`). Explained in chapter 00."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from yolox_edu.detect import Detector
from yolox_edu.draw import draw

SUFFIXES = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"}


class VideoError(ValueError):
    """A video cannot be read or written; the message names it."""


def _cv2():
    try:
        import cv2  # heavy, and not needed for pictures
    except ImportError:
        raise VideoError("videos need OpenCV: pip install opencv-python-headless") from None
    return cv2


class Video:
    """The frames of a file, or of a webcam by its number, in order; `rate` is in frames a second.

    Iterating gives RGB arrays h w 3. Raises VideoError where there is no such file, webcam or decoder.
    """

    def __init__(self, source: str | Path | int):
        cv2 = _cv2()
        self.name = f"webcam {source}" if isinstance(source, int) else str(source)
        if not isinstance(source, int) and not Path(source).is_file():
            raise VideoError(f"{source}: no such file")
        self._capture = cv2.VideoCapture(source if isinstance(source, int) else str(source))
        if not self._capture.isOpened():
            why = (
                "is there one, and may this program use it?"
                if isinstance(source, int)
                else "no video that OpenCV can decode"
            )
            raise VideoError(f"{self.name}: {why}")
        self.rate = self._capture.get(cv2.CAP_PROP_FPS) or 25.0

    def __iter__(self) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        try:
            while (read := self._capture.read())[0]:
                yield np.ascontiguousarray(read[1][..., ::-1])  # OpenCV's pixels are BGR
        finally:
            self._capture.release()


def detect_video(
    detector: Detector,
    source: str | Path | int,
    out: Path,
    stem: str,
    limit: int | None = None,
    draw_it: bool = True,
) -> int:
    """Detect in each frame; write `stem`.jsonl (a line a frame) and `stem`.mp4 (drawn) into the folder `out`.

    Stops after `limit` frames (None: at the end of the file; a webcam runs until Ctrl-C, and what was
    written till then stays). Returns the number of frames. Raises VideoError.
    """
    cv2 = _cv2()
    video, writer, count = Video(source), None, 0
    out.mkdir(parents=True, exist_ok=True)
    try:
        with (out / f"{stem}.jsonl").open("w", encoding="utf-8") as lines:
            for frame in video:
                found = detector(frame)
                line = {
                    "frame": count,
                    "seconds": round(count / video.rate, 3),
                    "detections": found.to_dicts(),
                }
                print(json.dumps(line, ensure_ascii=False), file=lines)
                if draw_it:
                    writer = writer or _writer(cv2, out / f"{stem}.mp4", video.rate, frame.shape)
                    writer.write(np.ascontiguousarray(np.asarray(draw(frame, found))[..., ::-1]))
                count += 1
                if count == limit:
                    break
    finally:
        if writer is not None:
            writer.release()
    if not count:
        raise VideoError(f"{video.name}: not a single frame could be read")
    return count


def _writer(cv2, path: Path, rate: float, shape: tuple[int, ...]):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), rate, (shape[1], shape[0]))
    if not writer.isOpened():
        raise VideoError(f"{path}: this OpenCV cannot write MP4 files; use --no-draw")
    return writer
