"""Compares the tokenizer that Transformers reads from a folder with the original."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from qwen_pl.export.findings import Finding

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

AWKWARD_TEXTS = [
    "It is a truth universally acknowledged, that a single man is in want of a wife.",
    "She's here; they'LL go. We've 12,345.678 of them — 50% off, isn't it?",
    "Tränen, naïve façade, Ελληνικά, это правда, tiếng Việt, İstanbul ſtraße",
    "e\u0301 and é, A\u030a and Å, \u1112\u1161\u11ab and 한, \u2126 and Ω, ﬁ and fi",
    "真理は普遍的に認められている。学而时习之，不亦说乎？한국어",
    "👍🏽 👩‍👩‍👧‍👦 🇫🇷 ❤️ 𝒳 𐍈 🦊",
    "مرحبا بالعالم שלום עולם नमस्ते สวัสดี",
    "def f(x: int) -> str:\n\treturn f'{x!r:>10}'  # {{}} \\n <b>&amp;</b>\r\n\r\n",
    "  two  spaces   three\ttab\u00a0no-break\u3000wide\u200bzero\n\n\n \n\t end  ",
    " leading",
    "trailing ",
    " ",
    "\n",
    "\t\t",
    "",
    "0 00 000 1234567890 ½ ² Ⅷ ٣",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!!!!!!!!!!......,,,,((((]]]]----____",
    "https://example.org/a?b=c&d=%20#e user@example.org C:\\dir\\file.txt",
    "He said : \" I do n't know . \" , did n't he ?",
    "one<|endoftext|>two <|endoftext|> three<|endoftext|>",
    "<|im_start|>user\nHello<|im_end|>\n<think>\n\n</think> <|not_a_token|> <|endoftext|",
    "\u0000\u0001\u007f\ufeff\ufffd\ufffe\ue000",
]
"""What tokenizers are known to stumble over."""


def compare_tokenizers(
    theirs: "PreTrainedTokenizerBase", ours: Tokenizer, texts: Sequence[str]
) -> list[Finding]:
    """Compares the vocabulary, the ids of texts, and the text that comes back from them."""
    texts = [*texts, _all_added_tokens(ours)]
    return [
        _compare_vocabularies(theirs, ours),
        _compare_ids(theirs, ours, texts),
        _compare_decoding(theirs, ours, texts),
    ]


def _all_added_tokens(tokenizer: Tokenizer) -> str:
    """A text of all tokens that are no learned ones, with words between and around."""
    added = tokenizer.get_added_tokens_decoder()
    return "a" + "a ".join(added[index].content for index in sorted(added)) + " b"


def _compare_vocabularies(theirs: "PreTrainedTokenizerBase", ours: Tokenizer) -> Finding:
    vocabulary, their_vocabulary = ours.get_vocab(), theirs.get_vocab()
    if differing := vocabulary.items() ^ their_vocabulary.items():
        token, _ = min(differing, key=lambda item: item[1])
        ids = f"{token!r} is {their_vocabulary.get(token)} and not {vocabulary.get(token)}"
        return Finding("vocabulary", ids, False)
    return Finding("vocabulary", f"{len(vocabulary):,} tokens equal", True)


def _compare_ids(
    theirs: "PreTrainedTokenizerBase", ours: Tokenizer, texts: Sequence[str]
) -> Finding:
    total = 0
    for text in texts:
        ids = ours.encode(text).ids
        if theirs(text)["input_ids"] != ids:
            return Finding("token ids", f"of {text!r} differ", False)
        total += len(ids)
    return Finding("token ids", f"{total:,} equal in {len(texts)} texts", True)


def _compare_decoding(
    theirs: "PreTrainedTokenizerBase", ours: Tokenizer, texts: Sequence[str]
) -> Finding:
    for text in texts:
        ids = ours.encode(text).ids
        for skip in (False, True):
            their_text = theirs.decode(ids, skip_special_tokens=skip)
            if their_text != ours.decode(ids, skip_special_tokens=skip):
                return Finding("decoded text", f"{their_text!r} is written for {text!r}", False)
    return Finding("decoded text", f"equal for {len(texts)} texts", True)
