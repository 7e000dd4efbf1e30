import itertools

from qwen_pl.data.batches.order import WindowOrder


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


def test_windows_come_from_every_span_and_cross_no_border() -> None:
    spans = ((50, 167), (180, 190), (200, 233), (240, 257))
    several = WindowOrder(spans, seq_len=16, stride=16, seed=7)
    for epoch in range(20):
        starts = [several.start(epoch * several.per_epoch + i) for i in range(several.per_epoch)]
        homes = [[i for i, (a, b) in enumerate(spans) if a <= s and s + 16 < b] for s in starts]
        assert sorted(i for (i,) in homes) == [0] * 6 + [2, 3]  # the second is too short
