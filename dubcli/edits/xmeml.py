"""Final Cut Pro 7 XML, made fit for OpenTimelineIO's adapter."""

from __future__ import annotations

from xml.etree import ElementTree

from dubcli.errors import ConfigError


def root(text: str, name: str) -> ElementTree.Element:
    """The root of a document.

    Args:
        text: the document.
        name: of its file, for messages.

    Raises:
        ConfigError: it is no XML, or none of an editing program.
    """
    try:
        found = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        line, column = error.position
        raise ConfigError(f"{name}:{line}:{column + 1}: not well-formed XML; export the list again") from None
    if found.tag not in ("xmeml", "fcpxml"):
        raise ConfigError(f"{name} is no XML of Final Cut Pro (its root is {found.tag}); export that")
    return found


def tidied(root: ElementTree.Element) -> str:
    """A document without what the adapter stumbles over or does not heed.

    Sound goes, of which some items have no file; so do clips and tracks that are switched off, which the
    adapter takes for seen. A clip of the picture whose file is missing gets an empty one. The tracks of a
    sequence within a sequence are found where the adapter looks for them.
    """
    for media in root.iter("media"):
        for sound in media.findall("audio"):
            media.remove(sound)
    for video in root.iter("video"):
        for track in [track for track in video.findall("track") if _is_off(track)]:
            video.remove(track)
    for track in root.iter("track"):
        for item in [item for item in track if _is_off(item)]:
            track.remove(item)
    for sequence in root.iter("sequence"):
        for media in sequence.findall("media"):
            sequence.extend(media.findall("video"))
    for number, item in enumerate(root.iter("clipitem")):
        if item.find("file") is None and item.find("sequence") is None:
            file = ElementTree.SubElement(item, "file", id=f"missing-{number}")
            ElementTree.SubElement(file, "name").text = item.findtext("name") or ""
    return ElementTree.tostring(root, encoding="unicode")


def _is_off(element: ElementTree.Element) -> bool:
    return (element.findtext("enabled") or "").strip().upper() == "FALSE"
