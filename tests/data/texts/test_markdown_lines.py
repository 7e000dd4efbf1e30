"""Markdown keeps what stands in code, and joins what is wrapped, in pieces of any size."""

import pytest

from qwen_pl.data.cleaning.clean_text import EVERY_STEP
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.texts.line_groups import LineReader, clean_chunks
from qwen_pl.data.texts.markdown_lines import MarkdownLines


def pieces(text: str, size: int) -> list[str]:
    """The text in pieces of whole lines, each of so many characters or a little more."""
    made = [""]
    for line in text.splitlines(keepends=True):
        if len(made[-1]) >= size:
            made.append("")
        made[-1] += line
    return made


def written(text: str, size: int = 1 << 20, reader: LineReader | None = None) -> str:
    """What cleaning makes of a text, as it is written to the cache."""
    reader = reader or MarkdownLines()
    made = ""
    for clean in clean_chunks(pieces(text, size), reader, EVERY_STEP):
        for paragraph in clean.paragraphs:
            made += "\n" * paragraph.newlines * bool(made) + paragraph.text
    return made + "\n"


AS_THEY_ARE = {
    "blank lines": "Words.\n\n```python\nimport math\n\n\nclass A:\n\n    r = 1\n```\n\nWords.\n",
    "tildes": "~~~\n```\n\n\n  x\n~~~~\n\nAfter.\n",
    "a longer fence": "````md\nHere:\n\n```py\nx\n\n\ny\n```\n\nStill\ninside.\n````\n\nOut.\n",
    "a shorter fence ends nothing": "````\na\n```\n\n\nb\n",
    "a fence with words ends nothing": "```\na\n\n\n``` python\n\n\nb\n```\n",
    "not closed": "Words.\n\n```\nx\n\n\n  y\n",
    "three spaces": "   ```\n   x\n\n\n  y\n  ```\n\nAfter.\n",
    "in an item": "1. Do this:\n\n   ```sh\n   make\n\n\n   make install\n   ```\n2. Then that.\n",
    "in an item in an item": "- a\n  - b\n    ~~~\n    x\n\n\n    y\n    ~~~\n- c\n",
    "in a quotation": "> Words:\n> ```\n> x\n>\n>\n>     y\n> ```\n\nAfter.\n",
    "tabs": "```make\nall:\n\tcc x\n\n\n\tld y\n```\n",
    "set in": "Words.\n\n    x = 1\n\n\n    if x:\n\ty\n\nAfter.\n",
    "HTML": "<div>\n  <b>\n</div>\n\n<pre>\na\n\n\n ```\n</pre>\n\n<!-- ```\n\n\n-->\n",
    "tables": "| a  | b |\n|----|---|\n| 1  | 2 |\n\na | b\n--|--\n1 | 2\n",
    "addresses": "[a]: https://a.org\n[b]: https://b.org\n",
    "headings": "Heading\n=======\n\n# Heading\n\nHeading\n---\n\n***\n",
    "lists": "- a\n- b\n  - c\n\n- d\n\n  more of d\n* e\n",
    "lines that are meant": "Roses are red\\\nViolets are blue\n",
}


@pytest.mark.parametrize("kind", AS_THEY_ARE)
def test_what_is_not_wrapped_stays_as_it_is_in_pieces_of_any_size(kind: str) -> None:
    text = AS_THEY_ARE[kind]
    assert {written(text, size) for size in (1, 9, 1 << 20)} == {text}


WRAPPED = {
    "a paragraph": ("One line\nand two.\n\nNext.", "One line and two.\n\nNext."),
    "an item": ("- an item\n  of two lines\n- b", "- an item of two lines\n- b"),
    "lazily": ("> - a quotation\nthat goes on", "> - a quotation that goes on"),
    "a quotation": ("> one\n> two", "> one two"),
    "a fence ends with its item": ("- ```\n  x\n\nwords\nagain", "- ```\n  x\n\nwords again"),
    "a fence ends with its quotation": ("> ```\n> x\nwords\nagain", "> ```\n> x\nwords again"),
    "no fence": ("``` a`b\nwords", "``` a`b words"),
    "four spaces": ("words\n    ```\n    more", "words ``` more"),
    "a number that is no item": ("the year\n1984. And", "the year 1984. And"),
    "hyphens": ("a neighbour-\nhood, a neighbourhood", "a neighbourhood, a neighbourhood"),
    "blank lines": ("a\n\n\n\nb", "a\n\nb"),
    "Windows": ("a\nb\n", "a b"),
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_wrapped_lines_are_joined_whatever_they_are_in(kind: str) -> None:
    text, expected = WRAPPED[kind]
    assert {written(text, size) for size in (1, 9, 1 << 20)} == {expected + "\n"}


def test_facts_before_the_text_stay_lines() -> None:
    text = "---\ntitle: A\ntags:\n  - b\n---\n\nWords.\n"
    assert written(text) == text


def test_each_block_has_its_role() -> None:
    text = "# A\n\ntext\n\n- item\n  - item\n\n|a|\n\n```\ncode\n```\n\n    code\n\nB\n=\n"
    [clean] = clean_chunks([text], MarkdownLines(), EVERY_STEP)
    roles = [Role.HEADING, Role.PROSE, Role.ITEM, Role.ITEM, Role.TABLE, Role.CODE, Role.CODE]
    assert [p.level for p in clean.paragraphs[:4]] == [1, 0, 1, 2]
    assert [p.role for p in clean.paragraphs] == [*roles, Role.HEADING, Role.HEADING]


def test_code_of_any_length_comes_in_paragraphs_that_go_on() -> None:
    code = "```\n" + "".join(f"line {i}\n" + "\n" * (i % 4) for i in range(10_000)) + "```\n"
    [clean] = clean_chunks([code], MarkdownLines(), EVERY_STEP)
    assert max(len(paragraph.text) for paragraph in clean.paragraphs) < 1 << 17
    assert written(code) == code == written(code, 1 << 17)
