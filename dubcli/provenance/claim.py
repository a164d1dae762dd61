"""What a dubbed film's manifest claims: the edit, the frames, the tools, the consent records' digests.

Sources: C2PA Technical Specification 2.2 (actions, regions of interest); IPTC NewsCodes, Digital Source Type.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

import dubcli
from dubcli.media.marks import COMPOSITE

LABEL = "org.dubcli.dub"
"""The assertion that holds a claim as it is."""


class _Strict(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True)


class Tool(_Strict):
    """An engine, its algorithm's number, its licence, and role → sha256 of its weights."""

    kind: str
    name: str
    algorithm: int
    licence: str
    weights: dict[str, str]


class Consent(_Strict):
    """About the consent record of a person whose mouth was changed: never the record itself."""

    person: str
    state: str
    sha256: str


class Claim(_Strict):
    """The claim of one film.

    Attributes:
        film, dub: sha256 of the sources.
        language: BCP 47 tag of the dub, "" if not known.
        frames: number of frames of the film.
        changed: half-open ranges of frames in which a mouth was changed.
        seconds: the same ranges in seconds after the first frame.
        tools: engines that took part.
        consents: of the people whose mouths were changed.
    """

    schema_version: int = 1
    film: str
    dub: str
    language: str
    frames: int
    changed: tuple[tuple[int, int], ...]
    seconds: tuple[tuple[float, float], ...]
    tools: tuple[Tool, ...]
    consents: tuple[Consent, ...]

    @property
    def frames_changed(self) -> int:
        """Number of frames in which a mouth was changed."""
        return sum(stop - start for start, stop in self.changed)


def manifest(claim: Claim, title: str, when: str) -> dict[str, Any]:
    """The manifest's definition, as C2PA's builder takes it.

    Args:
        claim: what was done.
        title: name of the dubbed film.
        when: time of signing, ISO 8601.
    """
    agent = {"name": "dubcli", "version": dubcli.__version__}
    dubbed = {
        "action": "c2pa.dubbed",
        "when": when,
        "softwareAgent": agent,
        "description": "another language",
    }
    if claim.language:
        dubbed["parameters"] = {"language": claim.language}
    actions: list[dict[str, Any]] = [dubbed]
    if claim.changed:
        region = [
            {"type": "temporal", "time": {"type": "npt", "start": f"{start:.3f}", "end": f"{stop:.3f}"}}
            for start, stop in claim.seconds
        ]
        actions.append(
            {
                "action": "c2pa.edited",
                "when": when,
                "softwareAgent": agent,
                "digitalSourceType": COMPOSITE,
                "description": "mouths were changed to speak the dub",
                "changes": [{"description": "mouths of people who speak", "region": region}],
            }
        )
    return {
        "claim_generator_info": [agent],
        "title": title,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": actions}},
            {"label": LABEL, "data": claim.model_dump(mode="json")},
        ],
    }


def parse(data: Any) -> Claim | None:
    """The claim of an assertion's data; None where it is not one of ours."""
    try:
        return Claim.model_validate_json(json.dumps(data))
    except (ValidationError, TypeError, ValueError):
        return None
