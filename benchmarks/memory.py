"""How much memory does a training step need beside weights, gradients and optimizer states?

    python -m benchmarks.memory                          # the shape of Qwen3-0.6B, 1 x 1,024 tokens
    python -m benchmarks.memory --layers 4 --tokens 512
    python -m benchmarks.memory --device cuda --dtype bfloat16

One step of this project's network and one of Transformers' on the same shape, each in a fresh
process, without gradient checkpointing. On a CPU every allocation and release of PyTorch is taken
from its profiler and summed in order of time; on CUDA the allocator tells its peak. The gradients
are allocated before the step, so that they stand outside of what is counted.
"""

import argparse
import multiprocessing
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.contenders import their_network
from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.training.devices.layers import make_frugal

Step = Callable[[], Tensor]


def ours(config: Qwen3Config, input_ids: Tensor, labels: Tensor) -> tuple[nn.Module, Step]:
    with torch.device(input_ids.device):
        network = Qwen3ForCausalLM(config)
    make_frugal(network)  # as training does
    return network, lambda: network(input_ids, labels)


def transformers(config: Qwen3Config, input_ids: Tensor, labels: Tensor) -> tuple[nn.Module, Step]:
    network = their_network(config, input_ids.device)
    # Their network shifts the labels itself: given the inputs, it predicts one token less.
    return network, lambda: network(input_ids, labels=input_ids).loss


WAYS = {"qwen_pl": ours, "transformers": transformers}


def measure(way: str, config: Qwen3Config, tokens: int, device: str, dtype: str) -> float:
    """Returns the peak in megabytes."""
    torch.manual_seed(0)
    input_ids = torch.randint(0, config.vocab_size, (1, tokens), device=device)
    network, loss_of = WAYS[way](config, input_ids, input_ids.roll(-1, 1))
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)

    def step() -> None:
        with torch.autocast(device, getattr(torch, dtype), enabled=dtype != "float32"):
            loss = loss_of()
        loss.backward()

    return peak_of(step, device)


def peak_of(step: Callable[[], None], device: str) -> float:
    """The most megabytes that ``step`` has allocated at once, beside what was there before."""
    if device == "cuda":
        step()  # what libraries take once is not the step's
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profiler:
        step()
    changes = [
        (event.start_ns(), event.nbytes())
        for event in profiler.profiler.kineto_results.events()
        if event.name() == "[memory]"
    ]
    total = peak = 0
    for _, change in sorted(changes, key=lambda change: change[0]):
        total += change
        peak = max(peak, total)
    return peak / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=28)
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    options = parser.parse_args()

    config = Qwen3Config(num_hidden_layers=options.layers)
    peaks = {}
    context = multiprocessing.get_context("spawn")
    for way in WAYS:
        with context.Pool(1) as pool:
            arguments = (way, config, options.tokens, options.device, options.dtype)
            peaks[way] = pool.apply(measure, arguments)
        print(f"{way:<14} {peaks[way]:10,.0f} MB", flush=True)
    print(f"{'ratio':<14} {peaks['qwen_pl'] / peaks['transformers']:10.2f}")


if __name__ == "__main__":
    main()
