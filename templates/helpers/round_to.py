def round_to(x: float, divisor: int) -> int:
    """The nearest multiple of `divisor`, at least `divisor` and at least 90 % of x (the MobileNets)."""
    nearest = max(divisor, int((x + divisor / 2) // divisor) * divisor)
    return nearest if nearest >= 0.9 * x else nearest + divisor
