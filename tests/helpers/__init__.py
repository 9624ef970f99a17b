"""What several tests need; a test file imports from here, and never from another test file."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
