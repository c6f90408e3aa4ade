def round_to(x: float, divisor: int) -> int:
    """The nearest multiple of `divisor`, but not below it nor below 90 % of x."""
    nearest = max(divisor, int((x + divisor / 2) // divisor) * divisor)
    return nearest if nearest >= 0.9 * x else nearest + divisor
