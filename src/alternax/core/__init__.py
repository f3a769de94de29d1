"""Protocols and containers that everything else is written against."""
