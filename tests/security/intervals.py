"""Wilson's interval: how sure a share is that was counted on so many texts."""

from math import sqrt

Z_95 = 1.959964


def wilson(part: int, whole: int) -> tuple[float, float]:
    """Return the 95 % interval of `part / whole`; sensible for few texts and for shares near 0 and 1, too."""
    share, spread = part / whole, Z_95**2 / whole
    middle = share + spread / 2
    half = sqrt(spread * (share * (1 - share) + spread / 4))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))
