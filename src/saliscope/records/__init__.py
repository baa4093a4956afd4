"""Provenance: what was computed, with what, and how to do it again."""

from saliscope.records.record import Record

__all__ = ["Record"]
