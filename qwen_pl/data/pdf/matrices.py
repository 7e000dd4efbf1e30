"""Matrices that move points on a page, as six numbers: ISO 32000-2:2020, 8.3.4."""

from typing import Any

Matrix = tuple[float, float, float, float, float, float]

UNMOVED: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


def product(first: Any, second: Matrix) -> Matrix:
    """What moves a point by the first matrix, then by the second.

    >>> product((2, 0, 0, 2, 1, 0), (1, 0, 0, 1, 5, 5))
    (2, 0, 0, 2, 6, 5)
    """
    a, b, c, d, e, f = first
    p, q, r, s, x, y = second
    return (
        a * p + b * r,
        a * q + b * s,
        c * p + d * r,
        c * q + d * s,
        e * p + f * r + x,
        e * q + f * s + y,
    )
