import itertools
from pathlib import Path

import numpy as np

from qwen_pl.data.batches.order import WindowOrder, with_gaps
from qwen_pl.data.cache_dir import TokensEntry
from qwen_pl.data.tokens.token_file import TokenFile
from qwen_pl.seals import Seal, write_sealed


def order(*, end: int = 503, **changes: int) -> WindowOrder:
    settings = {"seq_len": 16, "stride": 16, "seed": 7} | changes
    return WindowOrder(spans=((50, end),), **settings)


def test_an_epoch_visits_every_window_once_in_a_shuffled_order() -> None:
    starts = [order().start(i) for i in range(order().per_epoch)]
    assert len(set(starts)) == order().per_epoch == 27
    assert {start % 16 for start in starts} == {starts[0] % 16}
    assert starts != sorted(starts)


def test_windows_of_an_epoch_do_not_overlap() -> None:
    starts = sorted(order().start(i) for i in range(order().per_epoch))
    assert all(b - a == 16 for a, b in itertools.pairwise(starts))


def test_a_stride_below_the_window_makes_them_overlap() -> None:
    overlapping = order(stride=4)
    starts = sorted(overlapping.start(i) for i in range(overlapping.per_epoch))
    assert all(b - a == 4 for a, b in itertools.pairwise(starts))


def test_no_window_or_label_leaves_the_training_part() -> None:
    for end in (67, 68, 83, 99, 503):
        short = order(end=end)
        for position in range(5 * short.per_epoch):
            assert short.start(position) >= 50
            assert short.start(position) + 16 < end


def test_borders_move_from_epoch_to_epoch() -> None:
    offsets = {order().start(epoch * order().per_epoch) % 16 for epoch in range(20)}
    assert len(offsets) > 5


def test_the_order_is_a_function_of_seed_and_position_alone() -> None:
    forward = [order().start(i) for i in range(100)]
    backward = [order().start(i) for i in reversed(range(100))][::-1]
    assert forward == backward
    assert forward != [order(seed=8).start(i) for i in range(100)]


def test_one_window_is_enough_for_an_epoch() -> None:
    assert [order(end=67).start(i) for i in range(3)] == [50, 50, 50]


def test_the_order_is_that_of_runs_begun_with_earlier_versions() -> None:
    spans = ((50, 167), (180, 190), (200, 233), (240, 257))
    order = WindowOrder(spans, seq_len=16, stride=16, seed=7)
    assert order.starts(range(8)) == [145, 65, 240, 81, 113, 210, 97, 129]
    assert order.starts(range(8, 16)) == [214, 240, 63, 79, 111, 127, 95, 143]


def test_an_epoch_has_the_windows_that_fit_when_all_are_shifted_the_most() -> None:
    # The second window begins at 15 + 16 at the latest, and needs 17 tokens.
    assert [order(end=50 + size).per_epoch for size in (47, 48, 63, 64)] == [1, 2, 2, 3]
    starts = [order(end=50 + 48).start(i) for i in range(200)]
    assert {min(starts), max(starts)} == {50, 50 + 15 + 16}


def test_without_text_there_are_no_windows() -> None:
    assert WindowOrder((), seq_len=16, stride=16, seed=7).per_epoch == 0
    assert order(end=66).per_epoch == 0


def test_windows_come_from_every_span_and_cross_no_border() -> None:
    spans = ((50, 167), (180, 190), (200, 233), (240, 257))
    several = WindowOrder(spans, seq_len=16, stride=16, seed=7)
    for epoch in range(20):
        starts = [several.start(epoch * several.per_epoch + i) for i in range(several.per_epoch)]
        homes = [[i for i, (a, b) in enumerate(spans) if a <= s and s + 16 < b] for s in starts]
        assert sorted(i for (i,) in homes) == [0] * 6 + [2, 3]  # the second is too short


def test_beside_text_of_the_same_document_that_is_held_out_a_window_is_left_free(
    tmp_path: Path,
) -> None:
    tokens = np.full(50, 5, np.uint16)
    tokens[19] = 0  # ends a document, whose neighbour is no reason for a gap
    train = [(0, 8), (12, 20), (20, 30), (33, 39), (42, 50)]
    entry = TokensEntry(tmp_path)
    tokens.tofile(entry.tokens)
    files = {entry.tokens.name: Seal.of(entry.tokens)}
    index = {"files": files, "dtype": "<u2", "end_of_text": 0, "splits": {"train": train}}
    write_sealed(entry.index, index, f"tokens {tmp_path.name}")
    spans = with_gaps(TokenFile(tmp_path), seq_len=3)
    assert spans == ((0, 5), (15, 20), (20, 27), (45, 50))  # of (33, 39) nothing is left
