"""Base classes of artifacts in JSON: strict models that load from and save to a folder."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from dubcli.errors import StoreError

_Document = TypeVar("_Document", bound="Document")


class Strict(BaseModel):
    """Part of a document: unknown fields and conversions are refused, and it is immutable."""

    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True)


class Document(Strict):
    """A JSON file of an artifact; the same content gives the same bytes.

    Attributes:
        FILE: file name within the artifact's folder.
        SPARSE: whether fields that are None are left out of the file.
    """

    FILE: ClassVar[str]
    SPARSE: ClassVar[bool] = False

    @classmethod
    def load(cls: type[_Document], folder: Path) -> _Document:
        """The document in an artifact's folder.

        Raises:
            StoreError: it is missing or not valid.
        """
        path = folder / cls.FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}; type: dubcli cache verify --repair JOB") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or cls.FILE
            what = f"{cls.FILE} is not valid: {where}: {first['msg']}"
            raise StoreError(f"{what} ({folder}); type: dubcli cache verify --repair JOB") from error

    def text(self) -> str:
        """The file's content."""
        return self.model_dump_json(indent=1, exclude_none=self.SPARSE) + "\n"

    def save(self, folder: Path) -> None:
        """Write it into an artifact's folder."""
        (folder / self.FILE).write_text(self.text(), encoding="utf-8")
