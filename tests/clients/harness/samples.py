"""Tests of whether two sets of measured times come from one distribution."""

import bisect
import math
import statistics


def medians_apart(one, other):
    """How far the medians are apart, as a part of the smaller: 0.02 is 2 %."""
    low, high = sorted((statistics.median(one), statistics.median(other)))
    return high / low - 1


def mann_whitney(one, other):
    """Two-sided p of the rank sum test, by its normal approximation with ties: sensitive to a shift."""
    both = sorted((value, side) for side, values in enumerate((one, other)) for value in values)
    ranks, ties, at = 0.0, 0.0, 0
    while at < len(both):
        end = at
        while end < len(both) and both[end][0] == both[at][0]:
            end += 1
        tied = end - at
        ties += tied ** 3 - tied
        ranks += sum(side == 0 for _, side in both[at:end]) * (at + 1 + end) / 2
        at = end
    first, second, all_ = len(one), len(other), len(both)
    mean = first * (all_ + 1) / 2
    variance = first * second / 12 * (all_ + 1 - ties / (all_ * (all_ - 1)))
    return math.erfc(abs(ranks - mean) / math.sqrt(2 * variance)) if variance else 1.0


def kolmogorov_smirnov(one, other):
    """p of the two-sample test, by its limit for many values: sensitive to any difference of shape."""
    one, other = sorted(one), sorted(other)
    apart = max(abs(bisect.bisect_right(one, at) / len(one) - bisect.bisect_right(other, at) / len(other)) for at in one + other)
    scaled = apart * math.sqrt(len(one) * len(other) / (len(one) + len(other)))
    if scaled < 0.2:
        return 1.0
    return min(1.0, 2 * sum((-1) ** (n - 1) * math.exp(-2 * n * n * scaled * scaled) for n in range(1, 101)))
