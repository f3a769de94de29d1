"""Reports: one self-contained HTML page from prose, tables and figures, and the one that tells of a fitted model."""

from alternax.report.chart import Chart, Grid, Key
from alternax.report.page import Facts, Image, Prose, Section, Table, page
from alternax.report.report import report

__all__ = ["Chart", "Facts", "Grid", "Image", "Key", "Prose", "Section", "Table", "page", "report"]
