"""Pure kernels shared by layers and models: arrays in, arrays out, with exact gradients and a naive twin each."""

from alternax.ops.attention_scan import AttentionState, attention_scan, attention_scan_naive, attention_step
from alternax.ops.cauchy import cauchy, cauchy_naive
from alternax.ops.delta_rule import delta_rule, delta_rule_naive, delta_rule_step
from alternax.ops.fft_conv import fft_conv, fft_conv_naive
from alternax.ops.gated_linear import gated_linear, gated_linear_naive
from alternax.ops.gru_scan import gru_scan, gru_scan_naive
from alternax.ops.hippo import NormalPlusLowRank, discretise, hippo, hippo_basis, legs_scan, normal_plus_low_rank
from alternax.ops.linear_scan import linear_scan, linear_scan_naive
from alternax.ops.lstm_scan import lstm_scan, lstm_scan_naive
from alternax.ops.selective_scan import selective_scan, selective_scan_naive
from alternax.ops.short_conv import short_conv, short_conv_naive, short_conv_step
from alternax.ops.ssd import ssd, ssd_naive
from alternax.ops.vandermonde import vandermonde, vandermonde_naive

__all__ = [
    "AttentionState",
    "NormalPlusLowRank",
    "attention_scan",
    "attention_scan_naive",
    "attention_step",
    "cauchy",
    "cauchy_naive",
    "delta_rule",
    "delta_rule_naive",
    "delta_rule_step",
    "discretise",
    "fft_conv",
    "fft_conv_naive",
    "gated_linear",
    "gated_linear_naive",
    "gru_scan",
    "gru_scan_naive",
    "hippo",
    "hippo_basis",
    "legs_scan",
    "linear_scan",
    "linear_scan_naive",
    "lstm_scan",
    "lstm_scan_naive",
    "normal_plus_low_rank",
    "selective_scan",
    "selective_scan_naive",
    "short_conv",
    "short_conv_naive",
    "short_conv_step",
    "ssd",
    "ssd_naive",
    "vandermonde",
    "vandermonde_naive",
]
