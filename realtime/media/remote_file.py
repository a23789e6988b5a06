"""Owns reading a file that is not on this machine; only what is needed of it is fetched."""

from dataclasses import dataclass
from typing import Any

from neural_style.packages import optional_packages


@dataclass(frozen=True)
class RemoteFile:
    """A file at an address of fsspec's, such as `s3://bucket/video.mp4`.

    Attributes:
        address: of it.
    """

    address: str

    def __str__(self) -> str:
        return self.address

    def open(self) -> Any:
        """What can be read and searched.

        Raises:
            MissingPackageError: fsspec is not installed.
            OSError: it is not there.
        """
        with optional_packages(f"address {self.address}"):
            import fsspec
        return fsspec.open(self.address, "rb").open()
