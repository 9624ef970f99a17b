"""A checkpoint of random weights, as version 0.1.0 wrote it."""

from pathlib import Path

FOLDER = Path(__file__).with_name("files")
