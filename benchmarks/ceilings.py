"""What does a GPU reach at most: in copying, in products, in attention of each kind?

    python -m benchmarks.ceilings

The figures that MFU is to be seen against. Each is the median of some, timed by the device, on
random numbers; a line of JSON.
"""

import json
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from qwen_pl.model.attention import attend, document_mask
from qwen_pl.model.loss import linear_cross_entropy

SIZE = 8192
BATCH, TOKENS, HEADS, GROUPS, HEAD_DIM = 2, 4096, 16, 8, 128
"""Attention of Qwen3-0.6B."""
HIDDEN, VOCABULARY = 1024, 151_936


def milliseconds(function: Callable[[], object], times: int = 7) -> float:
    """The median time that the device takes for it."""
    for _ in range(2):
        function()
    taken = []
    for _ in range(times):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        function()
        end.record()
        end.synchronize()
        taken.append(begin.elapsed_time(end))
    return sorted(taken)[times // 2]


def in_bfloat16(*shape: int) -> torch.Tensor:
    return torch.randn(shape, device="cuda", dtype=torch.bfloat16)


def copying() -> dict[str, float]:
    source = torch.randn(2**30, device="cuda")
    target = torch.empty_like(source)
    return {
        "copy_tb_per_second": 2 * source.nbytes / milliseconds(lambda: target.copy_(source)) / 1e9
    }


def products() -> dict[str, float]:
    a, b = in_bfloat16(SIZE, SIZE), in_bfloat16(SIZE, SIZE)
    return {"product_tflops": 2 * SIZE**3 / milliseconds(lambda: a @ b) / 1e9}


def attention() -> dict[str, float]:
    """Forward and backward; operations are counted as causal, which is half of all scores."""
    q = in_bfloat16(BATCH, HEADS, TOKENS, HEAD_DIM).requires_grad_()
    k, v = (in_bfloat16(BATCH, GROUPS, TOKENS, HEAD_DIM).requires_grad_() for _ in range(2))
    grad = in_bfloat16(BATCH, HEADS, TOKENS, HEAD_DIM)
    operations = 12 * BATCH * HEADS * TOKENS * TOKENS * HEAD_DIM / 2

    def speed(attention: Callable[[], torch.Tensor]) -> float:
        return operations / milliseconds(lambda: attention().backward(grad)) / 1e9

    found = {"attention_tflops": speed(lambda: attend(q, k, v))}
    for name in ("FLASH_ATTENTION", "CUDNN_ATTENTION"):
        try:
            with sdpa_kernel([getattr(SDPBackend, name)]):
                found[f"attention_{name.split('_')[0].lower()}_tflops"] = speed(
                    lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
                )
        except RuntimeError:
            continue  # it does not take these shapes
    mask = document_mask(torch.zeros(BATCH, TOKENS, device="cuda", dtype=torch.long))
    found["attention_of_documents_tflops"] = speed(lambda: attend(q, k, v, mask))
    return found


def loss() -> dict[str, float]:
    """The loss of all tokens over the vocabulary, with both gradients."""
    hidden = in_bfloat16(BATCH * TOKENS, HIDDEN).requires_grad_()
    weight = torch.randn(VOCABULARY, HIDDEN, device="cuda").mul_(0.02).requires_grad_()
    labels = torch.randint(VOCABULARY, (BATCH * TOKENS,), device="cuda")

    def forward_and_backward() -> None:
        linear_cross_entropy(hidden, weight, labels).backward()
        weight.grad = None

    taken = milliseconds(forward_and_backward)
    return {"loss_tflops": 6 * BATCH * TOKENS * HIDDEN * VOCABULARY / taken / 1e9, "loss_ms": taken}


def main() -> None:
    for part in (copying, products, attention, loss):
        print(json.dumps({name: round(value, 2) for name, value in part().items()}), flush=True)


if __name__ == "__main__":
    main()
