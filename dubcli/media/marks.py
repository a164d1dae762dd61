"""The mark of a synthetic picture in a film's ordinary metadata, for programs that know no C2PA.

In MP4 and MOV it is an XMP packet with IPTC's Digital Source Type, in a box after all others, so that nothing
moves; in Matroska it is a tag.

Sources: XMP Specification Part 3, 1.1.7 (MPEG-4); IPTC Video Metadata Hub 1.5, Digital Source Type.
"""

from __future__ import annotations

import re
from pathlib import Path

COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's word for a picture part of which was made by a trained model."""

_TAG = "DIGITAL_SOURCE_TYPE"
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")  # the box's extended type
_PACKET = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmp:CreatorTool="dubcli" Iptc4xmpExt:DigitalSourceType="{COMPOSITE}"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>
"""


def matroska_options() -> list[tuple[str, str]]:
    """ffmpeg's options that write the mark into Matroska."""
    return [("metadata", f"{_TAG}={COMPOSITE}")]


def write(path: Path) -> None:
    """Append the mark to an MP4 or MOV."""
    content = _XMP + _PACKET.encode()
    with path.open("ab") as file:
        file.write((8 + len(content)).to_bytes(4, "big") + b"uuid" + content)


def read(path: Path) -> str:
    """The digital source type that a film's metadata names, "" where they name none.

    Raises:
        MediaError: it cannot be read.
    """
    from dubcli.media.source import opened

    with opened(path, export_xmp="1") as container:
        tags = {key.lower(): value for key, value in container.metadata.items()}
    found = re.search(r"DigitalSourceType(?:=|>|\s)[\"'\s]*([^\"'<\s]+)", tags.get("xmp", ""))
    return tags.get(_TAG.lower(), "") or (found[1] if found else "")
