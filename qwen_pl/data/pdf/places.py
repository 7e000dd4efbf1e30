"""Where a text stands on a page, and what its place and size say of it; for both readers."""

Placed = tuple[str, float, float, float]
"""Text, x, y and font size, in points."""


NOWHERE = (0.0, 0.0, 0.0)


_RAISED_DIGITS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def is_initial(text: str, x: float, size: float, line_x: float, line_size: float) -> bool:
    """Whether a text is a large initial that stands to the left of a line, and begins another.

    It has the baseline of a later line of its paragraph.

    >>> is_initial("T", 72, 30, line_x=95, line_size=10)
    True
    """
    return 0 < len(text.strip()) <= 2 and x < line_x and size > 1.5 * line_size


def raise_number(text: str, rise: float, size_ratio: float) -> str:
    """In superscripts, if it is a number set as an exponent is, as marks of footnotes are too."""
    is_raised = size_ratio < 0.85 and rise > 0.0 and text.strip().isdecimal()
    return text.translate(_RAISED_DIGITS) if is_raised else text


def upright(
    x: float, y: float, size: float, right: tuple[float, float]
) -> tuple[float, float, float]:
    """Place and size as they are when the page is turned so that text runs from left to right.

    Args:
        right: The direction in which the text runs on the page, of any length.
    """
    if abs(right[1]) > abs(right[0]):  # the text runs up or down the page
        x, y = (y, -x) if right[1] > 0 else (-y, x)
    elif right[0] < 0:
        x, y = -x, -y
    if not (abs(x) < 1e6 and abs(y) < 1e6 and size < 1e6):
        return NOWHERE
    return round(x, 2), round(y, 2), round(size, 2)


def valid_unicode(text: str) -> str:
    """Joins surrogate pairs that a broken font map left apart; a lone surrogate becomes U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
