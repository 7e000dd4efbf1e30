"""The roles that what is on a page may have."""

from enum import Enum


class Role(str, Enum):
    """What a line or a paragraph is for its reader."""

    HEADING = "heading"
    PROSE = "prose"
    ITEM = "item"
    """Of a list."""
    CODE = "code"
    TABLE = "table"
    CAPTION = "caption"
    """Of a figure or a table."""
    FIGURE = "figure"
    """Text inside a picture, as the labels of its axes."""
    FOOTNOTE = "footnote"
    FORMULA = "formula"
    """On a line of its own."""
    BIBLIOGRAPHY = "bibliography"
    """An entry of a list of references."""
    CONTENTS = "contents"
    """An entry of a table of contents or of figures."""
    RUNNING_HEAD = "running_head"
    """Heads, feet and page numbers."""
    MARGIN = "margin"
    """What stands beside the text: stamps, marginal notes, numbers of lines."""
    FORM = "form"
    """What somebody has filled in or written upon a page: form fields and annotations."""
