"""Reports: one self-contained HTML page."""

from alternax.report.page import Picture, Section, Table, page, write_page

__all__ = ["Picture", "Section", "Table", "page", "write_page"]
