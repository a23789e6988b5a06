"""Owns the exceptions that networks, checkpoints and training raise."""


class StylizationError(Exception):
    """A failure that a user can understand: one line, with what to do about it.

    Attributes:
        exit_status: of a command that it ends; 2 where the command line is wrong whatever is there.
    """

    exit_status = 1


class CheckpointError(StylizationError):
    """A weights file cannot be read, is refused, or does not fit any network."""


class TrainingError(StylizationError):
    """Training cannot start or cannot go on."""


class EvaluationError(StylizationError):
    """A style image, photograph, clip or style that judging needs is missing or unusable."""


class MissingPackageError(StylizationError):
    """An optional package is not installed; the message names the pip command."""
