"""How many floating-point operations a token costs in training."""

from qwen_pl.model.config import Qwen3Config


def flops_per_token(config: Qwen3Config, seq_len: int) -> int:
    """Operations of one token's forward and backward pass: ``6 N + 12 L N_heads H T``.

    ``N`` are the numbers that a token is multiplied with: every matrix, the one that predicts among
    them. An embedding that is only read costs nothing, and norms next to nothing. Each takes a
    multiplication and an addition forward, and twice that backward. The second term is attention,
    counted as if every token saw the whole window, by custom. What gradient checkpointing computes
    again is not counted: the same work done in more operations is no better use of a device.

    Source: Chowdhery et al. 2022, https://arxiv.org/abs/2204.02311, appendix B; Kaplan et al. 2020,
    https://arxiv.org/abs/2001.08361, section 2.1

    >>> f"{flops_per_token(Qwen3Config(), seq_len=4096):,}"
    '6,394,478,592'
    >>> tiny = Qwen3Config(num_hidden_layers=1, hidden_size=2, intermediate_size=3, vocab_size=5,
    ...     num_attention_heads=4, num_key_value_heads=2, head_dim=6)
    >>> flops_per_token(tiny, seq_len=7) == 6 * (10 + 2 * 2 * (24 + 12) + 3 * 6) + 12 * 24 * 7
    True
    """
    query_size = config.num_attention_heads * config.head_dim
    key_value_size = config.num_key_value_heads * config.head_dim
    attention = 2 * config.hidden_size * (query_size + key_value_size)
    feed_forward = 3 * config.hidden_size * config.intermediate_size
    matrices = config.num_hidden_layers * (attention + feed_forward)
    matrices += config.vocab_size * config.hidden_size
    return 6 * matrices + 12 * config.num_hidden_layers * query_size * seq_len
