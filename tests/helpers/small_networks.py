"""Small networks of random weights: what they write and learn, and a checkpoint of one."""

from pathlib import Path

import torch

from benchmarks.serving import saved
from qwen_pl.data.tokens.tokenizer import train_tokenizer
from qwen_pl.generation.engine import Engine
from qwen_pl.generation.sampling import Sampling
from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.training.optim.optimizer import make_optimizer


def build(**sizes) -> Qwen3ForCausalLM:
    """Three layers of random weights, whose text is not one token; sizes change it."""
    torch.manual_seed(0)
    small = {
        "vocab_size": 97,
        "hidden_size": 40,
        "intermediate_size": 56,
        "num_hidden_layers": 3,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "head_dim": 10,
        "initializer_range": 0.2,
        "tie_word_embeddings": False,  # a tied network of random weights repeats its input
    }
    return Qwen3ForCausalLM(Qwen3Config(**small | sizes))


def written(
    network: Qwen3ForCausalLM, prompt_ids: list[int], sampling: Sampling, **known
) -> list[int]:
    """The ids of one text that an engine writes alone; ``known`` is what it is told besides."""
    engine = Engine(network, **known)
    row = engine.add(prompt_ids, sampling)
    while not engine.is_idle:
        engine.step()
    return row.new_ids


def random_checkpoint(folder: Path, **sizes) -> Path:
    """A checkpoint of random weights with a tokenizer, and a context of 32 tokens."""
    tokenizer = train_tokenizer(["low lower lowest naïve, the end of all. "] * 9, vocab_size=280)
    small = {"vocab_size": 320, "max_position_embeddings": 32, "initializer_range": 0.1}
    network = build(**small | sizes)
    path = folder / "lightning_logs/rand/checkpoints/step=00000003.ckpt"
    return saved(network, tokenizer, path, step=3)


def optimizer_of(network: torch.nn.Module, kind: str = "muon", **changes: float):
    """Our optimizer of this kind for all weights."""
    settings = {"lr": 0.02, "weight_decay": 0.3, "betas": (0.9, 0.95)} | changes
    return make_optimizer(kind, network, **settings)


def backward(network: torch.nn.Module, seed: int) -> None:
    """The gradients of a batch that the seed chooses."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(97, (7, 24), generator=generator)
    ids = ids.to(next(network.parameters()).device)
    network.zero_grad()
    network(ids[:, :-1], ids[:, 1:]).backward()
