"""Greenroom prepares people for job interviews. Start reading at `app/orchestration/conductor.py`."""

__version__ = "0.1.0"
