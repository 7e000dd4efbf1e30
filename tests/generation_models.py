"""Networks that the tests of writing write with."""

import torch

from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM


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
