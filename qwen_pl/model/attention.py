"""Who sees whom: causal attention, also inside the documents of a packed window."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from qwen_pl.model.cache import KeyValueCache
from qwen_pl.model.compilers import lacks_to_compile

Mask = Tensor | BlockMask | None
"""None for plain causal attention, a table of who sees whom, or the blocks of it that are used."""

BLOCK = 128
"""Tokens of a block of FlexAttention."""

NARROWEST_HEAD = 16
"""The least ``H`` that FlexAttention has kernels for; zeros are added to narrower heads."""


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Mask = None) -> Tensor:
    """``softmax(q kᵀ / sqrt(H)) v`` over what each token may see.

    Args:
        q: ``(B, N, T, H)``.
        k: ``(B, K, S, H)``; the last ``T`` of the ``S`` tokens are those of the queries.
        v: As ``k``.
        mask: From ``document_mask`` or a cache. None where ``T`` is 1 or ``S``: a single token sees
            all, and a whole text is seen causally.

    Returns:
        ``(B, N, T, H)``, in the dtype of ``k``.
    """
    q = q.to(k.dtype)  # under autocast, a cache may hold another
    if isinstance(mask, BlockMask):
        head_dim = q.shape[-1]
        if head_dim < NARROWEST_HEAD:
            q, k, v = (F.pad(x, (0, NARROWEST_HEAD - head_dim)) for x in (q, k, v))
        # Inside of a compiled layer it is compiled with that.
        flex = flex_attention if torch.compiler.is_compiling() else _compiled_flex_attention()
        y = flex(q, k, v, block_mask=mask, scale=head_dim**-0.5, enable_gqa=True)
        return y[..., :head_dim]
    is_causal = mask is None and q.shape[2] > 1
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=is_causal, enable_gqa=True
    )


def mask_and_positions(
    input_ids: Tensor,
    position_ids: Tensor | None,
    document_ids: Tensor | None,
    cache: KeyValueCache | None,
) -> tuple[Mask, Tensor]:
    """Whom each token of ``(B, T)`` sees, and where it stands unless ``position_ids`` says so.

    Counted on from the cache, or from the start of each document, or of the row.

    Raises:
        ValueError: If documents are told apart with a cache, which holds one for each row.
    """
    num_tokens = input_ids.shape[1]
    mask: Mask = None
    if document_ids is not None:
        if cache is not None:
            raise ValueError("document_ids and a cache do not go together: a row is one document")
        mask, counted = document_mask(document_ids), document_positions(document_ids)
    elif cache is not None:
        mask, counted = cache.mask(num_tokens), cache.positions(num_tokens)
    else:
        counted = torch.arange(num_tokens, device=input_ids.device)
    return mask, counted if position_ids is None else position_ids


def document_starts(document_ids: Tensor) -> Tensor:
    """Where each token's document starts in its row, ``(B, T)`` int64 as what is given.

    >>> document_starts(torch.tensor([[4, 4, 4, 5, 5, 6]])).tolist()
    [[0, 0, 0, 3, 3, 5]]
    """
    index = torch.arange(document_ids.shape[1], device=document_ids.device)
    starts = torch.zeros_like(document_ids)
    is_new = document_ids[:, 1:] != document_ids[:, :-1]
    starts[:, 1:] = index[1:] * is_new
    return starts.cummax(dim=1).values


def document_positions(document_ids: Tensor) -> Tensor:
    """Tokens since the start of each token's document, ``(B, T)`` int64 as what is given.

    >>> document_positions(torch.tensor([[4, 4, 4, 5, 5, 6]])).tolist()
    [[0, 1, 2, 0, 1, 0]]
    """
    index = torch.arange(document_ids.shape[1], device=document_ids.device)
    return index - document_starts(document_ids)


def document_mask(document_ids: Tensor, *, in_blocks: bool | None = None) -> Tensor | BlockMask:
    """Lets a token see itself and what came before it in its own document.

    Args:
        document_ids: ``(B, T)`` int64; tokens of one document have one number.
        in_blocks: Whether to make a ``BlockMask`` for FlexAttention, which leaves out the work of
            blocks in which nothing is seen; by default on CUDA, where that can be compiled.
            Otherwise a table ``(B, 1, T, T)`` bool.

    >>> document_mask(torch.tensor([[0, 0, 1]]))[0, 0].int().tolist()
    [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    """
    if in_blocks is None:
        in_blocks = document_ids.is_cuda and lacks_to_compile(document_ids.device) is None
    if in_blocks:
        return _document_blocks(document_starts(document_ids))
    same = document_ids.unsqueeze(1) == document_ids.unsqueeze(2)  # (B, T, T)
    return same.tril().unsqueeze(1)


def _document_blocks(starts: Tensor) -> BlockMask:
    """The blocks of ``BLOCK`` keys that each block of queries sees, wholly or in part.

    FlexAttention's own ``create_block_mask`` would make the table first, of all queries and keys.

    Args:
        starts: Where the document of each token starts, ``(B, T)`` int64.
    """
    num_tokens = starts.shape[1]
    earliest = starts[:, ::BLOCK].unsqueeze(-1)  # (B, blocks, 1), of the first query of each block
    ends = torch.arange(BLOCK, num_tokens + BLOCK, BLOCK, device=starts.device)
    latest = starts[:, ends.clamp(max=num_tokens) - 1].unsqueeze(-1)  # of the last one
    keys = torch.arange(len(ends), device=starts.device)  # blocks of them
    queries = keys.unsqueeze(-1)
    is_seen = (keys <= queries) & (keys >= earliest // BLOCK)  # (B, blocks, blocks)
    is_whole = is_seen & (keys < queries) & (keys * BLOCK >= latest)

    def listed(chosen: Tensor) -> tuple[Tensor, Tensor]:
        """How many blocks are chosen for each block of queries, and which: they come first."""
        order = chosen.int().argsort(dim=-1, descending=True, stable=True)
        return chosen.sum(-1, dtype=torch.int32).unsqueeze(1), order.int().unsqueeze(1)

    def sees(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (query >= key) & (key >= starts[row, query])

    return BlockMask.from_kv_blocks(
        *listed(is_seen & ~is_whole),
        *listed(is_whole),
        BLOCK_SIZE=BLOCK,
        mask_mod=sees,
        seq_lengths=(num_tokens, num_tokens),
    )


@lru_cache(maxsize=1)
def _compiled_flex_attention():
    # Uncompiled it makes all scores of all heads, which is what it is there to avoid.
    return torch.compile(flex_attention) if torch.cuda.is_available() else flex_attention
