"""Small tokenizers of the kinds that are published: how they cut text, what they put around it."""

import json
from collections.abc import Callable, Sequence

from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

TEXT = [
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, "
    "must be in want of a wife.",
    "“Tränen”, sagte er; 1813 waren's zwölf. Это правда. 真理は 普遍的に 認められている。",
    "Étude, naïve Å ﬁn İ ½: don't  do\tthat!",
] * 5


def _template(tokenizer: Tokenizer, single: str) -> None:
    names = [word for word in single.split() if word != "$A"]
    ids = [(name, tokenizer.token_to_id(name)) for name in names]
    tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=ids)


def _byte_level(*, prefix: bool = False, special: Sequence[str] = ("<|endoftext|>",)) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.add_special_tokens(list(special))
    return tokenizer


def gpt2() -> Tokenizer:
    return _byte_level()


def llama3() -> Tokenizer:
    tokenizer = _byte_level(special=["<|begin_of_text|>", "<|end_of_text|>"])
    _template(tokenizer, "<|begin_of_text|> $A")
    return tokenizer


def roberta() -> Tokenizer:
    tokenizer = _byte_level(prefix=True, special=["<s>", "</s>", "<mask>"])
    ends = [(name, tokenizer.token_to_id(name)) for name in ("</s>", "<s>")]
    tokenizer.post_processor = processors.RobertaProcessing(*ends)
    return tokenizer


def _byte_fallback(normalizer, pre_tokenizer, special: Sequence[str]) -> Tokenizer:
    pieces = _pieces(normalizer, pre_tokenizer)
    names = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), *pieces.get_vocab()]
    vocab = {name: index for index, name in enumerate(dict.fromkeys(names))}
    merges = [(a, b) for a in vocab for b in vocab if len(a) == len(b) == 1 and a + b in vocab]
    tokenizer = Tokenizer(
        models.BPE(vocab, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.add_special_tokens(list(special))
    return tokenizer


def _pieces(normalizer, pre_tokenizer) -> Tokenizer:
    """Some letters of English alone, so that all others are bytes."""
    tokenizer = Tokenizer(models.BPE())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    trainer = trainers.BpeTrainer(vocab_size=60, show_progress=False)
    tokenizer.train_from_iterator(TEXT[:1], trainer)
    return tokenizer


def _sentencepiece_decoder(strip: int):
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    return decoders.Sequence([*steps, decoders.Strip(" ", strip, 0)] if strip else steps)


def llama2() -> Tokenizer:
    normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer = _byte_fallback(normalizer, None, ["<unk>", "<s>", "</s>"])
    tokenizer.decoder = _sentencepiece_decoder(1)
    _template(tokenizer, "<s> $A")
    return tokenizer


def mistral() -> Tokenizer:
    metaspace = pre_tokenizers.Metaspace("▁", prepend_scheme="first", split=False)
    tokenizer = _byte_fallback(None, metaspace, ["<unk>", "<s>", "</s>"])
    tokenizer.decoder = _sentencepiece_decoder(1)
    _template(tokenizer, "<s> $A")
    return tokenizer


def gemma() -> Tokenizer:
    cutting = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer = _byte_fallback(
        normalizers.Replace(" ", "▁"), cutting, ["<pad>", "<eos>", "<bos>", "<unk>"]
    )
    tokenizer.decoder = _sentencepiece_decoder(0)
    _template(tokenizer, "<bos> $A")
    return tokenizer


def _unigram(special: Sequence[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    # What SentencePiece's own rules (nmt_nfkc) come to: joined signs apart, spaces to one.
    one_space = normalizers.Replace(Regex(r"\s+"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), one_space])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace("▁", prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=110, unk_token="<unk>", special_tokens=list(special), show_progress=False
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def t5() -> Tokenizer:
    tokenizer = _unigram(["<pad>", "</s>", "<unk>"])
    _template(tokenizer, "$A </s>")
    return tokenizer


def xlm_roberta() -> Tokenizer:
    tokenizer = _unigram(["<s>", "<pad>", "</s>", "<unk>"])
    _template(tokenizer, "<s> $A </s>")
    return tokenizer


def bert() -> Tokenizer:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(TEXT, trainer)
    _template(tokenizer, "[CLS] $A [SEP]")
    return tokenizer


def clip() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.BPEDecoder("</w>")
    trainer = trainers.BpeTrainer(
        vocab_size=200,
        special_tokens=["<unk>", "<|endoftext|>"],
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def cut_and_filled() -> Tokenizer:
    """As published for one use of it: texts cut off at 5 tokens, and filled up to 8."""
    tokenizer = llama3()
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=8, pad_id=3)
    return tokenizer


def with_holes() -> Tokenizer:
    """Ids 300 to 69,999 are nobody's."""
    description = json.loads(gpt2().to_str())
    description["model"]["vocab"]["<|endoftext|>"] = 70_000
    return Tokenizer.from_str(json.dumps(description))


TELLING: dict[str, Callable[[], Tokenizer]] = {
    make.__name__: make
    for make in (gpt2, llama3, roberta, llama2, mistral, gemma, cut_and_filled, with_holes)
}
"""Those that keep every byte of a text."""

LOSING: dict[str, Callable[[], Tokenizer]] = {
    make.__name__: make for make in (t5, xlm_roberta, bert, clip)
}
"""Those that lose spaces, capitals, or what is not in their vocabulary."""

ALL = TELLING | LOSING
