"""Whatever a text holds, a page of Markdown shows it and nothing else."""

import html
import random
import re

import markdown
import pytest
from tensorboard.plugin_util import markdown_to_safe_html

from qwen_pl.markdown import code, fenced, plain

PIECES = [
    *("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<!-- ", "-->", "&lt;", "&#60;"),
    *("|", "| a | b |\n|---|---|\n", "`", "```", "~~~", "*", "**", "_a_", "# ", "\\", "$x$", "---"),
    *("===", "> ", "- ", "+ ", "1. ", "[x](javascript:alert(1))", "![i](http://e/)", "http://a.b"),
    *(
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        "\t",
        " ",
        "    ",
        "\x00",
        "\x02",
        "\x02klzzwxh:0000\x03",
        "\x1b",
    ),
    *("\u2028", "\x85", "é", "b c", "]", "!"),
]


def shown(page: str) -> tuple[set[str], list[str]]:
    """The elements of a page, and what a reader sees of it, line by line."""
    elements = set(re.findall(r"<(\w+)", page))
    text = re.sub(r"<[^>]*>", "", re.sub(r"<br ?/?>\n?", "\n", page))
    return elements, lines(html.unescape(text))


def lines(text: str) -> list[str]:
    return [" ".join(line.split(" ")).strip() for line in one_space(text).strip().split("\n")]


def one_space(text: str) -> str:
    return re.sub("[ \xa0]+", " ", text)


def seen(text: str) -> list[str]:
    """What a reader is to see of a text."""
    text = re.sub("\r\n?", "\n", text).expandtabs(4)
    return lines(re.sub("[\x00-\x08\x0b-\x1f\x7f-\x9f]", "\ufffd", text))


@pytest.mark.parametrize("to_page", [markdown_to_safe_html, markdown.markdown])
def test_a_text_is_shown_as_it_is_and_is_no_markup(to_page) -> None:
    chooser = random.Random(0)
    for _ in range(1000):
        text = "".join(chooser.choices(PIECES, k=chooser.randint(1, 9)))
        elements, found = shown(to_page(plain(text)))
        assert elements <= {"p", "br"}, text
        assert found == seen(text), text


def test_nothing_ends_a_block_but_its_end() -> None:
    chooser = random.Random(1)
    for _ in range(300):
        text = "".join(chooser.choices([p for p in PIECES if "\x02" not in p], k=6))
        elements, _ = shown(markdown_to_safe_html(fenced(text, "yaml")))
        assert elements <= {"pre", "code"}, text


def test_nothing_ends_a_piece_of_code_but_its_end() -> None:
    for text in ("a`b", "a|b", "a\n\nb", "``", "<b>"):
        elements, _ = shown(markdown_to_safe_html(f"| x |\n|---|\n| {code(text)} |"))
        assert elements <= {"table", "thead", "tbody", "tr", "th", "td", "code"}, text
