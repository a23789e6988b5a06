"""Weights files: checkpoints, and what an exported model file must be."""

from pathlib import Path

SAVED_MODELS = Path(__file__).resolve().parents[2] / "saved_models"
"""The folder of the styles that come with the project."""
