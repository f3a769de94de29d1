"""Pure kernels shared by layers and models: arrays in, arrays out, with exact gradients and a naive twin each."""

from alternax.ops.linear_scan import linear_scan, linear_scan_naive

__all__ = ["linear_scan", "linear_scan_naive"]
