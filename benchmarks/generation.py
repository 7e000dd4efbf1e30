"""How fast does a text come, token by token, beside Transformers' generate with the same weights?

    python -m benchmarks.generation                       # tiny and 345M, some minutes
    python -m benchmarks.generation --config configs/tiny.yaml --repeats 9
    python -m benchmarks.generation --profile              # operators per token, not seconds

One prompt, greedy, float32 on a CPU, random weights. The two take turns in one process;
Transformers runs with its defaults: a cache, scaled_dot_product_attention. Each figure is
the median of the repeats; the ratio is the median of the ratios of one turn.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
import yaml
from torch.profiler import ProfilerActivity, profile

from qwen_pl import generate
from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM

CONFIGS = [Path("configs/tiny.yaml"), Path("configs/qwen_scratch.yaml")]
PROMPT_TOKENS = 16


def pair_of(config: Path) -> tuple[Qwen3ForCausalLM, transformers.Qwen3ForCausalLM]:
    """Ours and Transformers', with the same random weights."""
    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    sizes = settings["model"]["config"] | {"vocab_size": settings["data"]["vocab_size"]}
    torch.manual_seed(0)
    mine = Qwen3ForCausalLM(Qwen3Config(**sizes)).eval()
    sizes = {name: value for name, value in vars(mine.config).items() if name != "rope_scaling"}
    theta = sizes.pop("rope_theta")
    parameters = {"rope_type": "default", "rope_theta": theta}
    theirs = transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(**sizes, rope_parameters=parameters)
    ).eval()
    theirs.load_state_dict(mine.state_dict())
    return mine, theirs


def writers(config: Path, num_tokens: int) -> dict[str, Callable[[], list[int]]]:
    """Ways to write the same text, each a call that returns its ids."""
    mine, theirs = pair_of(config)
    prompt = list(range(1, 1 + PROMPT_TOKENS))
    theirs.generation_config.eos_token_id = None  # a random network would end anywhere

    def transformers_generate() -> list[int]:
        input_ids = torch.tensor([prompt])
        ids = theirs.generate(input_ids, max_new_tokens=num_tokens, do_sample=False)
        return ids[0, len(prompt) :].tolist()

    def our_generate() -> list[int]:
        return generate(mine, prompt, max_new_tokens=num_tokens)[0, len(prompt) :].tolist()

    return {"transformers": transformers_generate, "qwen_pl": our_generate}


def measure(config: Path, num_tokens: int, repeats: int) -> None:
    ways = writers(config, num_tokens)
    texts = {name: write() for name, write in ways.items()}  # warms up, too
    agree = sum(a == b for a, b in zip(*texts.values(), strict=True))
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, write in ways.items():
            start = time.perf_counter()
            write()
            seconds[name].append(time.perf_counter() - start)
    for name, taken in seconds.items():
        print(f"{config.stem:<14} {name:<13} {num_tokens / statistics.median(taken):8.1f} tokens/s")
    theirs, mine = seconds.values()
    ratio = statistics.median(a / b for a, b in zip(theirs, mine, strict=True))
    print(f"{config.stem:<14} ratio {ratio:.2f}, {agree} of {num_tokens} tokens agree", flush=True)


def count_operators(config: Path) -> None:
    """Prints how many operators one token costs each way, which no other process can disturb."""
    for name in ("transformers", "qwen_pl"):
        counts = []
        for num_tokens in (72, 88):  # long texts, as those that are timed
            write = writers(config, num_tokens)[name]
            write()
            with profile(activities=[ProfilerActivity.CPU]) as recorded:
                write()
            counts.append(sum(event.count for event in recorded.key_averages()))
        print(f"{config.stem:<14} {name:<13} {(counts[1] - counts[0]) / 16:8.1f} operators/token")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, action="append", help="by default tiny and 345M")
    parser.add_argument("--num_tokens", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--profile", action="store_true", help="count operators instead")
    args = parser.parse_args()

    transformers.logging.set_verbosity_error()
    for config in args.config or CONFIGS:
        if args.profile:
            count_operators(config)
        else:
            measure(config, args.num_tokens, args.repeats)


if __name__ == "__main__":
    main()
