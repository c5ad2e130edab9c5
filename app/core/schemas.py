"""What schemas of several domains have in common."""

from typing import Self

from pydantic import BaseModel


class Shown(BaseModel):
    """What the API shows of a row or a value: those of its fields that stand here too."""

    @classmethod
    def of(cls, source: object) -> Self:
        """The source as the API shows it."""
        return cls.model_validate(source, from_attributes=True)
