"""The mark of a synthetic picture in a film's ordinary metadata, for programs that know no C2PA.

In MP4 and MOV it is an XMP packet with IPTC's Digital Source Type, in a box after all others, so that nothing
moves; a packet that the film has, as editing programs write them, gets it beside what it says. In Matroska it
is a tag.

Sources: XMP Specification Part 3, 1.1.7 (MPEG-4); IPTC Video Metadata Hub 1.5, Digital Source Type.
"""

from __future__ import annotations

import re
from pathlib import Path

COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's word for a picture part of which was made by a trained model."""

_TAG = "DIGITAL_SOURCE_TYPE"
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")  # the box's extended type
_END = "</rdf:RDF>"
_SAID = f"""<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    {{creator}}Iptc4xmpExt:DigitalSourceType="{COMPOSITE}"/>
 {_END}"""
_PACKET = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  {_SAID.format(creator='xmp:CreatorTool="dubcli" ')}
</x:xmpmeta>
<?xpacket end="r"?>
"""


def matroska_options() -> list[tuple[str, str]]:
    """ffmpeg's options that write the mark into Matroska."""
    return [("metadata", f"{_TAG}={COMPOSITE}")]


def packet(path: Path) -> str:
    """The XMP packet of an MP4 or MOV, "" where it has none.

    Raises:
        MediaError: it cannot be read.
    """
    return _tags(path).get("xmp", "")


def _tags(path: Path) -> dict[str, str]:
    """Tags of a film by their names in lower case, an XMP packet among them."""
    from dubcli.media.source import opened

    with opened(path, export_xmp="1") as container:
        return {key.lower(): value for key, value in container.metadata.items()}


def write(path: Path, own: str = "", *, synthetic: bool = True) -> bool:
    """Append the mark, and the film's own packet, to an MP4 or MOV.

    Args:
        path: the result.
        own: the film's packet, "" for none.
        synthetic: whether part of the picture is.

    Returns:
        Whether it holds what the film's own packet says.
    """
    kept = not own or not synthetic or _END in own
    if not own or not kept:
        own = _PACKET if synthetic else ""
    elif synthetic and COMPOSITE not in own:
        before, _, after = own.rpartition(_END)
        own = before + _SAID.format(creator="") + after
    if own:
        content = _XMP + own.encode()
        with path.open("ab") as file:
            file.write((8 + len(content)).to_bytes(4, "big") + b"uuid" + content)
    return kept


def read(path: Path) -> str:
    """The digital source type that a film's metadata names, "" where they name none.

    Raises:
        MediaError: it cannot be read.
    """
    tags = _tags(path)
    found = re.search(r"DigitalSourceType(?:=|>|\s)[\"'\s]*([^\"'<\s]+)", tags.get("xmp", ""))
    return tags.get(_TAG.lower(), "") or (found[1] if found else "")
