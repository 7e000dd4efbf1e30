"""What all of Qwen's tokenizers have in common: special tokens, and how they cut text."""

END_OF_TEXT = "<|endoftext|>"
"""Ends a document."""

END_OF_TURN = "<|im_end|>"
"""Ends a turn in Qwen's chats."""

SPECIAL_TOKENS = (END_OF_TEXT, "<|im_start|>", END_OF_TURN)
"""Those of Qwen2's base models, behind the learned vocabulary as there."""

QWEN_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Qwen2 and Qwen3 cut text before BPE: English contractions, words with the character before
them, single digits, runs of punctuation with the newlines that follow, white space. llama.cpp means
it by the name "qwen2".

Source: the pre_tokenizer of the published Qwen/Qwen3-0.6B tokenizer.json.
"""
