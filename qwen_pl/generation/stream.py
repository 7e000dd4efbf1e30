"""Text as it is written: token ids in, whole characters out, up to a stop string."""

from collections.abc import Callable, Sequence

INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
"""What a decoder writes for the bytes of a character that are not all there yet."""

TAIL_TOKENS = 4
"""An incomplete character has at most three bytes, so three tokens; one more is room."""


class TextStream:
    """Turns token ids into text piece by piece, holding back a character until it is whole.

    Joined, the pieces are the text of all ids, up to a stop string. Only the last few ids are
    decoded at each step, so the time is linear.

    Args:
        decode: Turns ids into text, as a byte-level tokenizer does: bytes that are no UTF-8 become
            U+FFFD, and more ids never change the characters before.
        stop: Strings that end the text.

    >>> stream = TextStream(lambda ids: bytes(ids).decode(errors="replace"), stop=["?!"])
    >>> [stream.push(byte) for byte in "é??!x".encode()], stream.is_stopped
    (['', 'é', '', '?', '', ''], True)
    """

    def __init__(self, decode: Callable[[list[int]], str], stop: Sequence[str] = ()) -> None:
        self.decode = decode
        self.stop = StopStrings(stop)
        self.tail: list[int] = []
        self.text = ""  # of the tail
        self.shown = 0  # characters of it that were handed out

    @property
    def is_stopped(self) -> bool:
        """Whether a stop string came: the text is complete."""
        return self.stop.is_found

    def push(self, token_id: int) -> str:
        """Takes the next id and returns the text that is certain with it, maybe none."""
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
        return self.stop.push(piece)

    def flush(self) -> str:
        """Returns what was held back, maybe an incomplete character, and starts anew."""
        piece = self.text[self.shown :]
        self.tail, self.text, self.shown = [], "", 0
        return self.stop.push(piece) + self.stop.flush()


class StopStrings:
    """Passes text on until a stop string is complete, and never a part of one.

    What may be the start of a stop string is held back until it is clear. The result does not
    depend on how the text is cut into pieces: the string that is complete first counts, of several
    the longest.

    >>> stop = StopStrings(["END"])
    >>> [stop.push(piece) for piece in ("The E", "astern EN", "D of it")], stop.is_found
    (['The ', 'Eastern ', ''], True)
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self.stop = tuple(stop)
        self.held = ""
        self.is_found = False

    def push(self, piece: str) -> str:
        """Takes the next piece and returns what is certain."""
        if self.is_found:
            return ""
        text = self.held + piece
        found = [(text.find(stop) + len(stop), -len(stop)) for stop in self.stop if stop in text]
        if found:
            self.is_found, self.held = True, ""
            return text[: sum(min(found))]
        shown = len(text) - self._undecided(text)
        self.held = text[shown:]
        return text[:shown]

    def flush(self) -> str:
        """Returns what was held back, since no more text comes."""
        held, self.held = self.held, ""
        return held

    def _undecided(self, text: str) -> int:
        """Characters at the end of a text that may be the start of a stop string."""
        longest = max((len(stop) - 1 for stop in self.stop), default=0)
        for size in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-size:]) for stop in self.stop):
                return size
        return 0


def _whole(text: str) -> int:
    """The number of characters before an incomplete last one."""
    return len(text) - text.endswith(INCOMPLETE)
