"""Text of others in Markdown: shown as it is, so that none of it is markup, HTML or a link."""

import re
import string

_MARKS = {mark: f"&#{ord(mark)};" for mark in string.punctuation if mark not in ",.?'\""}
_UNSEEN = {code: "\ufffd" for code in [*range(32), *range(127, 160)] if code not in (9, 10)}


def plain(text: str) -> str:
    """Markdown that shows ``text`` as it is, line by line.

    Marks are written as entities, since what a backslash takes the meaning from differs from one
    reader of Markdown to the next.

    >>> plain("# a *b*"), plain("&lt; <b>")
    ('&#35; a &#42;b&#42;', '&#38;lt&#59; &#60;b&#62;')
    """
    text = re.sub(r"\r\n?", "\n", text).expandtabs(4).translate(_UNSEEN)
    return "  \n".join(map(_plain_line, text.split("\n")))


def _plain_line(line: str) -> str:
    """Of its spaces, those count that Markdown takes for the beginning or the end of something."""
    content = line.strip(" ")
    before, after = len(line) - len(line.lstrip(" ")), len(line) - len(line.rstrip(" "))
    if not content:
        return "&#160;"  # not the end of a paragraph
    written = "".join(_MARKS.get(letter, letter) for letter in content)
    written = re.sub(r"^(\d+)\.", r"\1&#46;", written)  # not an item of a list
    return "&#160;" * before + written + "&#160;" * after


def fenced(text: str, language: str = "") -> str:
    """A block of ``text`` that nothing in it ends.

    >>> print(fenced("a"))
    ```
    a
    ```
    """
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def code(text: str) -> str:
    """A piece of ``text`` on one line, that ends neither itself nor the cell of a table.

    >>> code("a|b`c")
    "`a\\\\|b'c`"
    """
    one_line = " ".join(text.split()).replace("|", "\\|").replace("`", "'")
    return f"`{one_line}`"
