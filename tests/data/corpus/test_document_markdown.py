"""A cleaned document as Markdown."""

import pytest

from qwen_pl.data.cleaning.clean_text import Paragraph
from qwen_pl.data.corpus.document_markdown import markdown
from qwen_pl.data.layout.roles import Role

WRITTEN = {
    "a heading": (Role.HEADING, "2. On *cats*", 2, "## 2. On \\*cats\\*"),
    "a deep heading": (Role.HEADING, "Deep", 9, "###### Deep"),
    "a bullet": (Role.ITEM, "• a cat", 0, "- a cat"),
    "a nested bullet": (Role.ITEM, "– a cat", 2, "  - a cat"),
    "a numbered item": (Role.ITEM, "3. a cat", 1, "3. a cat"),
    "a lettered item": (Role.ITEM, "(a) a cat", 1, "- (a) a cat"),
    "code": (Role.CODE, "if x:\n\n    y()", 0, "```\nif x:\n\n    y()\n```"),
    "code with fences": (Role.CODE, "```\nx", 0, "````\n```\nx\n````"),
    "a table": (
        Role.TABLE,
        "a | b\n1 | x*\n2",
        0,
        "| a | b |\n| --- | --- |\n| 1 | x\\* |\n| 2 |  |",
    ),
    "prose like a heading": (Role.PROSE, "# no heading", 0, "\\# no heading"),
    "prose like an item": (Role.PROSE, "- no item", 0, "\\- no item"),
    "prose like a numbered item": (Role.PROSE, "1984. A year.", 0, "1984\\. A year."),
    "prose like a quotation": (Role.PROSE, "> 3 cats", 0, "\\> 3 cats"),
    "prose like HTML": (Role.PROSE, "a <b> & &amp; c", 0, "a \\<b> & \\&amp; c"),
    "prose like a link": (Role.PROSE, "[1](x) snake_case _a_", 0, "\\[1\\](x) snake_case \\_a\\_"),
    "verse": (Role.PROSE, "one\ntwo", 0, "one  \ntwo"),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_each_role_is_written_as_what_it_is(kind: str) -> None:
    role, text, level, written = WRITTEN[kind]
    assert "".join(markdown([Paragraph(text, 1, role=role, level=level)])) == written


def test_items_of_a_list_follow_each_other() -> None:
    roles = [Role.PROSE, Role.ITEM, Role.ITEM, Role.PROSE]
    paragraphs = [Paragraph(f"{n}", 1, role=role) for n, role in zip("abcd", roles, strict=True)]
    assert "".join(markdown(paragraphs)) == "a\n\n- b\n- c\n\nd"
