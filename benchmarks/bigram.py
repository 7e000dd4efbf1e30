"""How many bits per byte do bigram models need on the validation part of a run's data?

    python -m benchmarks.bigram [--config configs/tiny.yaml]

Two of them, each counted on the training part: one of bytes, one of the run's own tokens. Both are
interpolated with their unigrams, the share chosen on the validation part itself, which favours
them.
"""

import argparse
import itertools
import math
from collections import Counter
from collections.abc import Sequence

from qwen_pl.run.reading import read_without_run


def bigram_bits(train: Sequence[int], held_out: Sequence[int], size: int) -> float:
    """Bits that the best interpolated bigram model of ``train`` needs for ``held_out``."""
    singles, pairs = Counter(train), Counter(itertools.pairwise(train))
    firsts = Counter(train[:-1])

    def bits(share: float) -> float:
        total = 0.0
        for one, two in itertools.pairwise(held_out):
            single = (singles[two] + 0.5) / (len(train) + 0.5 * size)
            pair = pairs[one, two] / firsts[one] if firsts[one] else single
            total -= math.log2(share * pair + (1 - share) * single)
        return total

    return min(bits(i / 20) for i in range(1, 20))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="configs/tiny.yaml")
    data = read_without_run(["--config", parser.parse_args().config])[1].data
    data.prepare_data()
    data.setup("validate")
    tokens, tokenizer = data.tokens.tokens, data.tokenizer

    train, held_out = (
        [i for first, end in data.tokens.split(name) for i in tokens[first:end].tolist()]
        for name in ("train", "val")
    )
    texts = [tokenizer.decode(ids).encode() for ids in (train, held_out)]
    num_bytes = len(texts[1])
    by_bytes = bigram_bits(list(texts[0]), list(texts[1]), 256)
    by_tokens = bigram_bits(train, held_out, tokenizer.get_vocab_size())
    print(f"bytes   {by_bytes / num_bytes:.3f} bits per byte")
    print(f"tokens  {by_tokens / num_bytes:.3f} bits per byte")


if __name__ == "__main__":
    main()
