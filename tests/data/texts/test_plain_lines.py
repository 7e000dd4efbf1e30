"""A plain text shows itself which of its lines are wrapped and which are meant."""

import textwrap

import pytest

from qwen_pl.data.cleaning.clean_text import EVERY_STEP, CleanText, Paragraph
from qwen_pl.data.texts.line_groups import clean_chunks
from qwen_pl.data.texts.plain_lines import PlainLines
from qwen_pl.data.texts.text_file import clean_plain_text

PROSE = [
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, "
    "must be in want of a wife.",
    "However little known the feelings or views of such a man may be on his first entering a "
    "neighbourhood, this truth is so well fixed in the minds of the surrounding families, that he "
    "is considered as the rightful property of some one or other of their daughters.",
    "“My dear Mr. Bennet,” said his lady to him one day, “have you heard that Netherfield Park is "
    "let at last?” Mr. Bennet replied that he had not.",
    "“But it is,” returned she; “for Mrs. Long has just been here, and she told me all about it.”",
]


def written(clean: CleanText) -> str:
    text = ""
    for paragraph in clean.paragraphs:
        text += "\n" * paragraph.newlines * bool(text) + paragraph.text
    return text


@pytest.mark.parametrize("width", [55, 72, 100])
@pytest.mark.parametrize("end", ["\n\n", "\n"])
def test_wrapped_prose_is_joined_and_its_paragraphs_found(width: int, end: str) -> None:
    indent = "   " if end == "\n" else ""  # without it and a blank line nothing tells them apart
    wrapped = [textwrap.fill(text, width, initial_indent=indent) for text in PROSE]
    assert written(clean_plain_text(end.join(wrapped))) == "\n\n".join(PROSE)


LINES = {
    "a play": """KING LEAR:
Blow, winds, and crack your cheeks! rage! blow!
You cataracts and hurricanoes, spout
Till you have drench'd our steeples, drown'd the cocks!

Fool:
O nuncle, court holy-water in a dry
house is better than this rain-water out o' door.""",
    "verse": """    But thy eternal summer shall not fade
    Nor lose possession of that fair thou ow'st;
Nor shall Death brag thou wander'st in his shade,
When in eternal lines to time thou grow'st:


    So long as men can breathe or eyes can see,
    So long lives this, and this gives life to thee.""",
    "verse in small letters": """so much of the morning
was spent in the yard
counting the stones
that the river had left

and the dog
who had no opinion
about stones
lay down beside the wall""",
    "verse of Chinese": "床前明月光，\n疑是地上霜。\n举头望明月，\n低头思故乡。",
    "a list": "apples\npears and plums\ntwo loaves of bread\nmilk\na dozen eggs",
    "items": "To do:\n- write to the bank\n- mend the gate\n  - buy nails\n- sleep",
    "code": """import math


def area(radius):
    # The formula is an old one, and it has been
    # in use since the days of the Greeks, who
    # did not know the number as well.
    squared = radius ** 2

    return math.pi * squared


print(area(2))""",
    "a table": "name      age   town\nArthur    12    Leeds\nMary Ann  9     Upper Slaughter",
    "a fence": "Run this:\n\n```\nmake\n\n\nmake install\n```\n\nThen wait.",
    "names": "Arthur Pendleton, chairman\nMary Ann Whitcombe, secretary of the society\nDr. J. Lee",
    "a letter": "Jane Miller\n12 High Street\nOxford\n\n3 May\n\nBest wishes,\nJane",
    "underlined": "Usage\n=====\n\nFirst steps\n-----------\n\nNone.",
}


@pytest.mark.parametrize("kind", LINES)
def test_lines_that_are_meant_stay_as_they_are(kind: str) -> None:
    assert written(clean_plain_text(LINES[kind])) == LINES[kind]


@pytest.mark.parametrize("kind", ["a play", "verse", "names", "a letter", "a fence", "underlined"])
def test_lines_that_are_meant_stay_so_amid_wrapped_prose(kind: str) -> None:
    wrapped = [textwrap.fill(text, 72) for text in PROSE]
    text = "\n\n".join([*wrapped, LINES[kind], *wrapped])
    assert written(clean_plain_text(text)) == "\n\n".join([*PROSE, LINES[kind], *PROSE])


def test_a_letter_keeps_what_it_quotes_and_where_its_items_begin() -> None:
    text = """\
From: Jane <jane@example.org>
Subject: The new shelves

On Friday Peter wrote:
> I have looked at the shelves that came in last week, and I think
> that they are too short for the folio volumes.
>
> We should send them back before the end of the month.

I am not so sure. When we measured the folio volumes in January, the
tallest one was 38 cm. What we could do is the following:

- keep the shelves for the east wall, where there are no folios;
- order two of the larger kind, which are a little dearer but which
  would fit everything that we have.
"""
    assert written(clean_plain_text(text)) == (
        "From: Jane <jane@example.org>\nSubject: The new shelves\n\nOn Friday Peter wrote:\n"
        "> I have looked at the shelves that came in last week, and I think that they are too "
        "short for the folio volumes.\n\n"
        "> We should send them back before the end of the month.\n\n"
        "I am not so sure. When we measured the folio volumes in January, the tallest one was "
        "38 cm. What we could do is the following:\n\n"
        "- keep the shelves for the east wall, where there are no folios;\n"
        "- order two of the larger kind, which are a little dearer but which would fit everything "
        "that we have."
    )


def test_what_looks_like_a_fence_is_none_where_nothing_closes_it() -> None:
    text = "\n\n".join(textwrap.fill(text, 60) for text in ["```", *PROSE])
    assert written(clean_plain_text(text)) == "\n\n".join(["```", *PROSE])


def test_wrapped_words_and_lines_of_windows_are_joined() -> None:
    text = "A paragraph with a broken\nword: neighbour-\nhood. Is a neighbourhood one?\n\nNext.\n"
    assert [paragraph.text for paragraph in clean_plain_text(text).paragraphs] == [
        "A paragraph with a broken word: neighbourhood. Is a neighbourhood one?",
        "Next.",
    ]


def test_form_feeds_count_the_pages() -> None:
    assert clean_plain_text("one\n\ftwo\n\fthree").paragraphs == [
        Paragraph("one", 1),
        Paragraph("two", 2),
        Paragraph("three", 3),
    ]


def test_a_paragraph_on_each_line_stays_one() -> None:
    lines = ["word " * 40 + "end.", "Short.", "other " * 30 + "end."]
    assert written(clean_plain_text("\n".join(lines))) == "\n\n".join(lines)


@pytest.mark.parametrize("size", [200, 1000])
def test_pieces_of_any_size_give_the_same(size: int) -> None:
    blocks = [textwrap.fill(text, 60) for text in PROSE * 4] + [LINES["a fence"], LINES["names"]]
    text = "\n\n".join(blocks * 3)
    lines, chunks = text.splitlines(keepends=True), [""]
    for line in lines:
        if len(chunks[-1]) > size:
            chunks.append("")
        chunks[-1] += line
    cleaned = clean_chunks(chunks, PlainLines(), EVERY_STEP)
    found = [paragraph for clean in cleaned for paragraph in clean.paragraphs]
    assert found == clean_plain_text(text).paragraphs
