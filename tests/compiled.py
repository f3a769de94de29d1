"""Layers called compiled: operation by operation each would be compiled by itself, which takes far longer."""

import equinox as eqx

call = eqx.filter_jit(lambda layer, *rows, **masks: layer(*rows, **masks))
