"""Opens a PDF with pdfium and reads its pages as pictures; imported by the child process only.

The networks that find and read lines come with rapidocr and are run by onnxruntime. Nothing is
fetched from anywhere.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pypdfium2

from qwen_pl.data.page.line import Sheet
from qwen_pl.data.pdf.ocr.page_lines import ReadBox, page_lines, read_box, without_neighbours
from qwen_pl.data.pdf.ocr.page_picture import (
    is_blank,
    levelled,
    rendered,
    run_up_or_down,
    slope,
    turned_by,
    upright_boxes,
    without_noise,
    without_specks,
)
from qwen_pl.data.pdf.open_file import OpenFile
from qwen_pl.data.pdf.pdfium.file import open_document, producer

_FINDS_LINES, _READS_LINES = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"
_SEEN_DPI = 90  # of the picture in which lines are looked for
_SEEN_SIDES = 960, 2000  # pixels of its longer side, at least and at most
_LIKELY = 0.3  # of a box: what is no text is told when it is read
_LEVEL = math.radians(0.05)
_STEEP = math.radians(2)  # steeper lines are looked for again in the levelled picture
_SURE = 0.8  # mean score of lines that are the right way up
_WIDE = 5.0  # sizes: a line of text, and not a letter in a picture
_KNOWN = "OCR knows printed Latin, Chinese and Japanese letters"
_FEW = 4  # of so many lines one may be unread, and nothing is said
_TRIED = 8  # lines, the widest, that tell whether a page is upside down
_MOST_BOXES = 2000  # of a page


def open_file(source: str | bytes, password: str) -> OpenFile:
    """Opens a file by its path, or from its content; raises what pdfium's reader does."""
    document = open_document(source, password)
    return OpenFile(
        num_pages=len(document),
        producer=producer(document),
        sheet=lambda index: _sheet(document, index),
    )


@lru_cache(maxsize=1)
def _engine() -> Callable[..., Any]:
    """What finds and reads lines, in one thread: files are read side by side."""
    import rapidocr  # takes a second, which blank pages need not

    models = Path(rapidocr.__file__).parent / "models"
    return rapidocr.RapidOCR(
        params={
            # One that is named is not fetched where it is missing.
            "Det.model_path": str(models / _FINDS_LINES),
            "Rec.model_path": str(models / _READS_LINES),
            "Det.limit_type": "max",
            "Det.box_thresh": _LIKELY,
            "Det.limit_side_len": _SEEN_SIDES[1],
            "Global.use_cls": False,  # which turns lines that are upright
            "Global.use_preprocess_img": False,
            "Global.use_vertical_padding": False,
            "Global.log_level": "critical",
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )


def _sheet(document: pypdfium2.PdfDocument, index: int) -> tuple[Sheet, str]:
    """A page as its picture shows it, turned upright, with its lines from the top down.

    And what is left out of it, if that is more than a line or two.
    """
    picture, scale = rendered(document, index)
    if is_blank(picture):
        return Sheet([]), ""
    picture = without_noise(without_specks(picture))
    boxes = _found(picture, scale)
    if len(boxes) and run_up_or_down(boxes):
        picture = turned_by(picture, 1)
        boxes = _found(picture, scale)
    height, width = picture.shape
    angle = slope(boxes) if len(boxes) else 0.0
    if abs(angle) > _LEVEL:
        picture, boxes = levelled(picture, boxes, angle)
        boxes = _found(picture, scale) if abs(angle) > _STEEP else boxes
    if not len(boxes):
        return Sheet([]), ""
    widest = boxes[np.argsort(boxes[:, 0, 0] - boxes[:, 1, 0], kind="stable")[:_TRIED]]
    if _score(_read(picture, widest)) < _SURE:
        other = turned_by(picture, 2)
        shape = np.array(picture.shape[::-1])
        if _score(_read(other, shape - widest)) > _SURE:
            picture, boxes = other, shape - boxes
    read = _read(picture, boxes)
    wide = [box for box in read if box.ems > _WIDE]
    num_unread = sum(not box.is_believed for box in wide)
    left_out = ""
    if num_unread > max(1, len(wide) / _FEW):
        left_out = f"cannot read {num_unread} of {len(wide)} lines: {_KNOWN}"
    if num_unread > len(wide) / 2:
        return Sheet([]), left_out  # what seems legible there is chance
    grown = (picture.shape[1] - width) / 2, (picture.shape[0] - height) / 2  # when it was levelled
    lines = page_lines([box.moved(*grown) for box in read if box.is_believed], height, scale)
    return Sheet(lines, (0.0, 0.0, width / scale, height / scale)), left_out


def _found(picture: np.ndarray, scale: float) -> np.ndarray:
    """The boxes of lines in a picture of ``scale`` pixels for each point, ``(N, 4, 2)``."""
    longest = max(picture.shape)
    side = min(max(_SEEN_DPI / 72 * longest / scale, _SEEN_SIDES[0]), _SEEN_SIDES[1])
    shrunk = min(1.0, side / longest)
    seen = cv2.resize(picture, None, fx=shrunk, fy=shrunk, interpolation=cv2.INTER_AREA)
    found = _engine()(cv2.cvtColor(seen, cv2.COLOR_GRAY2BGR), use_det=True, use_rec=False)
    boxes = [] if found.boxes is None else found.boxes
    return np.asarray(boxes, dtype=np.float64).reshape(-1, 4, 2)[:_MOST_BOXES] / shrunk


def _read(picture: np.ndarray, boxes: np.ndarray) -> list[ReadBox]:
    """What stands in each box of a level picture; boxes without text are left out."""
    read = []
    for left, top, right, bottom in upright_boxes(picture, boxes):
        crop = without_neighbours(picture[top:bottom, left:right])
        result = _engine()(cv2.cvtColor(crop, cv2.COLOR_GRAY2BGR), use_det=False, use_rec=True)
        if text := result.txts[0].strip():
            read.append(read_box(text, float(result.scores[0]), crop, left, top))
    return read


def _score(boxes: list[ReadBox]) -> float:
    return float(np.mean([box.score for box in boxes])) if boxes else 0.0
