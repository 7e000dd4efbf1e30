"""Which way to the loss is fastest, and which takes least memory?

    python -m benchmarks.loss
    python -m benchmarks.loss --device cuda --dtype bfloat16

One forward and backward pass of each, in a fresh process, for N tokens of width D and V words. The
memory is what a pass needs on top of its inputs; their gradients are part of it.
"""

import argparse
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from qwen_pl.model.loss import linear_cross_entropy

SHAPES = [(4_096, 2_048, 256), (30_000, 1_024, 1_024), (151_936, 1_024, 1_024)]  # V, N, D


def plain(hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(F.linear(hidden, weight).float(), labels)


def torch_chunked(hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    options = torch.nn.LinearCrossEntropyOptions()
    return F.linear_cross_entropy(hidden, weight, labels, options=options)


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "plain": plain,
    "torch": torch_chunked,
    "qwen_pl": linear_cross_entropy,
}
if not hasattr(torch.nn, "LinearCrossEntropyOptions"):
    del LOSSES["torch"]


def measure(
    name: str, shape: tuple[int, int, int], device: str, dtype: torch.dtype, repeats: int
) -> tuple[float, float, float]:
    """Returns the loss, the median milliseconds and the peak megabytes of one way."""
    vocab_size, num_tokens, size = shape
    torch.manual_seed(0)
    hidden = torch.randn(num_tokens, size, device=device, dtype=dtype, requires_grad=True)
    weight = torch.empty(vocab_size, size, device=device, dtype=dtype).normal_(0, 0.02)
    weight.requires_grad_()
    labels = torch.randint(0, vocab_size, (num_tokens,), device=device)

    memory_before = _peak_megabytes(device)
    milliseconds = []
    for _ in range(repeats + 1):  # the first one warms up
        hidden.grad = weight.grad = None
        start = time.perf_counter()
        loss = LOSSES[name](hidden, weight, labels)
        loss.backward()
        value = loss.item()  # waits for the device
        milliseconds.append(1e3 * (time.perf_counter() - start))
    memory = _peak_megabytes(device) - memory_before
    return value, statistics.median(milliseconds[1:]), memory


def _peak_megabytes(device: str) -> float:
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()

    print(f"{'V':>8} {'N':>6} {'D':>6}  {'way':<8} {'loss':>9} {'ms':>9} {'MB':>9}")
    context = multiprocessing.get_context("spawn")
    for shape in SHAPES:
        for name in LOSSES:
            with context.Pool(1) as pool:
                dtype = getattr(torch, args.dtype)
                arguments = (name, shape, args.device, dtype, args.repeats)
                value, milliseconds, megabytes = pool.apply(measure, arguments)
            print(
                "{:>8} {:>6} {:>6}".format(*shape),
                f" {name:<8} {value:9.5f} {milliseconds:9.1f} {megabytes:9.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
