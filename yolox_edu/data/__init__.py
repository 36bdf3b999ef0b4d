"""Pictures and boxes: reading, drawing, fitting and augmenting them.

Nothing heavy is imported here; take what you need from its module:

    errors      PictureError, DatasetError
    picture     read_picture: one file of any kind -> RGB uint8
    letterbox   letterbox, boxes_to_canvas, boxes_to_picture        chapter 02
    crossing    Crossing, the drawn street scene                    chapter 16
    coco        CocoSource, open_coco (needs pycocotools)           chapters 19, 21
    coco_fetch  fetch_coco (needs requests)                         chapter 19
    coco_pictures  fetch_pictures, a few of COCO (needs requests)   chapter 19
    convert_yolo, convert_voc  other labels into COCO's (need pyyaml, defusedxml)    chapter 21
    furniture   Furniture, a small set of somebody's own             chapter 21
    augment     Augment, mosaic, mixup, hsv, flip (needs OpenCV)    chapter 14
    warp        one picture into its place, and its boxes           chapter 14
    training    TrainSet, RamCache, collate (needs OpenCV)          chapters 14-15
"""

from .errors import DatasetError, PictureError

__all__ = ["DatasetError", "PictureError"]
