"""Text as it is written: token ids in, whole characters out."""

from collections.abc import Callable

INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
"""What a decoder writes for the bytes of a character that are not all there yet."""

TAIL_TOKENS = 4
"""An incomplete character has at most three bytes, so three tokens; one more is room."""


class TextStream:
    """Turns token ids into text piece by piece, holding back a character until it is whole.

    Joined, the pieces are the text of all ids. Only the last few ids are decoded at each step, so
    the time is linear.

    Args:
        decode: Turns ids into text, as a byte-level tokenizer does: bytes that are no UTF-8 become
            U+FFFD, and more ids never change the characters before.

    >>> stream = TextStream(lambda ids: bytes(ids).decode(errors="replace"))
    >>> [stream.push(byte) for byte in "né!".encode()], stream.flush()
    (['n', '', 'é', '!'], '')
    """

    def __init__(self, decode: Callable[[list[int]], str]) -> None:
        self.decode = decode
        self.tail: list[int] = []
        self.text = ""  # of the tail
        self.shown = 0  # characters of it that were handed out

    def push(self, token_id: int) -> str:
        """Takes the next id and returns the characters it completes, often one piece or none."""
        text = self.decode([*self.tail, token_id])
        if text == self.text and not self.decode([token_id]):
            return ""  # a token without text, which must not push others out of the tail
        self.tail.append(token_id)
        self.text = text
        piece = text[self.shown : _whole(text)]
        self.shown = _whole(text)
        if len(self.tail) == 2 * TAIL_TOKENS:
            self.tail = self.tail[-TAIL_TOKENS:]
            self.text = self.decode(self.tail)
            self.shown = _whole(self.text)
        return piece

    def flush(self) -> str:
        """Returns what was held back, a character that will stay incomplete, and starts anew."""
        piece = self.text[self.shown :]
        self.tail, self.text, self.shown = [], "", 0
        return piece


def _whole(text: str) -> int:
    """The number of characters before an incomplete last one."""
    return len(text) - text.endswith(INCOMPLETE)
