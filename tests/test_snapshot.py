"""How far two outcomes of a step are apart."""

import math

import pytest
import torch

from pyrogen.inference.replay.snapshot import distance

inf, nan = math.inf, math.nan
CASES = {  # two lists, and ‖a − b‖ / ‖a‖
    "alike": ([[3.0, 4.0]], [[3.0, 4.0]], 0.0),
    "apart": ([[3.0], [4.0]], [[3.0], [4.5]], 0.1),
    "whole numbers that float32 cannot tell": ([[2**24]], [[2**24 + 1]], 2.0**-24),
    "huge, whose squares overflow": ([[3e30, 4e30]], [[3e30, 4.5e30]], 0.1),
    "infinite at the same places": ([[3.0, 4.0, inf, -inf, nan]], [[3.0, 4.5, inf, -inf, nan]], 0.1),
    "infinite elsewhere": ([[3.0, inf]], [[3.0, -inf]], inf),
    "nan in one": ([[3.0, nan]], [[3.0, 1.0]], inf),
    "of nothing": ([[0.0]], [[1.0]], inf),
    "of other shapes": ([[1.0]], [[1.0, 1.0]], inf),
    "missing in one": ([None], [[1.0]], inf),
    "missing in both": ([None, [1.0]], [None, [1.0]], 0.0),
    "truths": ([[True, True, True, True]], [[True, True, True, False]], 0.5),
    "complex": ([[3j, 4.0]], [[3j, 4.5]], 0.1),
}


@pytest.mark.parametrize(("a", "b", "right"), CASES.values(), ids=CASES)
def test_the_distance_is_of_all_tensors_together(a, b, right):
    found = distance(*([None if t is None else torch.tensor(t) for t in some] for some in (a, b)))
    assert found == pytest.approx(right, rel=1e-6)
