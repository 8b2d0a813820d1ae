"""Reading order of boxes, without any model."""

from __future__ import annotations

import math

from hypothesis import example, given
from hypothesis import strategies as st

from specialists.content import Box
from specialists.layout import bounding_box, reading_order

Corners = list[list[float]]


def box(x: float, y: float, width: float, height: float = 20.0) -> Corners:
    return [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]


def turned(corners: Corners, degrees: float) -> Corners:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [[x * cos - y * sin, x * sin + y * cos] for x, y in corners]


def test_lines_run_from_top_to_bottom_and_left_to_right() -> None:
    boxes = [box(200, 50, 80), box(0, 100, 80), box(0, 52, 80), box(0, 0, 80)]
    assert reading_order(boxes) == [[3], [2, 0], [1]]


def test_a_table_is_read_by_rows() -> None:
    names = [box(0, 40 * i, 180) for i in range(6)]
    prices = [box(400, 40 * i + 3, 60) for i in range(6)]
    assert reading_order(names + prices) == [[i, i + 6] for i in range(6)]


def test_columns_of_prose_are_read_one_after_the_other() -> None:
    title = [box(0, 0, 620)]
    left = [box(0, 60 + 30 * i, 300) for i in range(5)]
    right = [box(340, 66 + 30 * i, 280) for i in range(5)]
    foot = [box(0, 260, 620)]
    order = [i for line in reading_order(title + left + right + foot) for i in line]
    assert order == list(range(12))


def test_three_columns() -> None:
    boxes = [box(220 * column, 30 * row, 180) for column in range(3) for row in range(4)]
    assert reading_order(boxes) == [[i] for i in range(12)]


def test_a_tilted_page_keeps_its_rows() -> None:
    # At the right edge a row stands 47 pixels lower, more than a row.
    boxes = [box(x, 40 * row, width) for row in range(5) for x, width in ((0, 200), (900, 60))]
    rows = reading_order([turned(corners, 3.0) for corners in boxes])
    assert rows == [[2 * row, 2 * row + 1] for row in range(5)]


def test_the_box_around_boxes() -> None:
    assert bounding_box([box(10, 10, 20), box(50, 5, 10, 40)]) == Box(10, 5, 50, 40)


def test_nothing_has_no_lines() -> None:
    assert reading_order([]) == []


@given(
    st.lists(
        st.tuples(st.floats(0, 2000), st.floats(0, 2000), st.floats(0, 500), st.floats(0, 90)), max_size=40
    )
)
@example(
    [
        (0.0, 0.0, 0.0, 0.0),
        *[(0.0, 0.0, 5.0, 0.0)] * 2,
        (0.0, 0.0, 6.0, 0.0),
        (7.0, 0.0, 0.0, 0.0),
        *[(7.0, 0.0, 5.0, 0.0)] * 2,
    ]
)
def test_every_box_is_read_exactly_once(values: list[tuple[float, float, float, float]]) -> None:
    order = [i for line in reading_order([box(*value) for value in values]) for i in line]
    assert sorted(order) == list(range(len(values)))
