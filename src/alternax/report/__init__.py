"""Reports: one self-contained HTML page from prose, tables and figures."""

from alternax.report.page import Image, Prose, Section, Table, page

__all__ = ["Image", "Prose", "Section", "Table", "page"]
