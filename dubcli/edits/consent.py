"""Consent: what `cast.yaml` records of a person's agreement to be dubbed, and what it permits.

    consent: {state: given, document: "release 2025-118, signed", languages: [fr, pt-BR],
              date: 2025-05-02, until: 2030-12-31}

Where there is nothing but a document, its name alone will do: `consent: "release of 2 May 2025"`.
"""

from __future__ import annotations

import datetime
import re
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    model_validator,
)

from dubcli.language import named


def _day(value: Any) -> Any:
    """A day as YAML writes it: a number would be taken for seconds since 1970."""
    if isinstance(value, datetime.date | None):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        try:
            return datetime.date.fromisoformat(value)
        except ValueError:
            raise ValueError("there is no such day") from None
    raise ValueError("a day is written year-month-day, such as 2030-12-31")


State = Literal["given", "pending", "refused"]
_NO_DOCUMENTS = frozenset(
    {"yes", "no", "none", "n/a", "tbd", "ok", "declined", "denied", "withdrawn", "revoked"}
)
_Day = Annotated[datetime.date | None, BeforeValidator(_day)]


class Consent(BaseModel):
    """The record of one person.

    Attributes:
        state: `given`; `pending`, asked for and not answered; `refused`: their mouth is never changed.
        document: the evidence, such as the number of a signed release; "" only where none is needed.
        languages: BCP 47 tags of the languages it covers, with all their regions; empty: all.
        date: the day from which it holds, None for any.
        until: the last day on which it holds, None for no end.
    """

    # Not strict: what stands behind a validator of the whole field reads lists and days as YAML gives them.
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    state: State = "given"
    document: Annotated[
        str, StringConstraints(strip_whitespace=True, max_length=400, pattern=r"^[^\n\r\t]*$")
    ] = ""
    languages: tuple[Annotated[str, AfterValidator(named)], ...] = ()
    date: _Day = None
    until: _Day = None

    @model_validator(mode="after")
    def _check(self) -> Consent:
        if self.state == "given" and not self.document:
            raise ValueError("consent that is given needs a document: name the evidence for it")
        if self.date and self.until and self.until < self.date:
            raise ValueError("until is earlier than date; exchange them")
        return self

    def objection(self, language: str, today: datetime.date) -> str:
        """The reason why it does not cover a dub, in words; "" where it does.

        Args:
            language: BCP 47 tag of the dub, "" if not known.
            today: the day of the run.
        """
        if self.state != "given":
            return {"pending": "it is pending", "refused": "it was refused"}[self.state]
        if self.date and today < self.date:
            return f"it begins on {self.date}"
        if self.until and today > self.until:
            return f"it ended on {self.until}"
        if self.languages and not language:
            return (
                f"it is for {', '.join(self.languages)}, and the dub's language is not known: "
                "add --set remux.language=TAG"
            )
        if self.languages and not any(_covers(tag, language) for tag in self.languages):
            return f"it is for {', '.join(self.languages)}, not for {language}"
        return ""


def _covers(tag: str, language: str) -> bool:
    """Whether a tag is a language or one that it is part of: RFC 4647's basic filtering."""
    return f"{language}-".lower().startswith(f"{tag}-".lower())


def _from_text(value: Any) -> Any:
    """A document alone as a record; an empty text is none.

    Raises:
        ValueError: it is no document, but what a state is called: `refused` alone must not count as given.
    """
    word = str(value).strip().lower()
    if word in get_args(State):
        raise ValueError(f"write {{state: {word}{', document: …' if word == 'given' else ''}}}")
    if isinstance(value, bool) or word in _NO_DOCUMENTS:
        raise ValueError("write the document, or {state: refused} or {state: pending}")
    return ({"document": str(value)} if word else None) if isinstance(value, str | int) else value


ConsentField = Annotated[Consent | None, BeforeValidator(_from_text)]
"""A record as `cast.yaml` writes it: a mapping, or the document alone."""
