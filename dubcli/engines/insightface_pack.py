"""Which files of an insightface model pack are used: a folder such as `~/.insightface/models/buffalo_l`."""

from __future__ import annotations

from pathlib import Path

from dubcli.errors import ConfigError

FILES = {
    "detector": ("det_*.onnx", "scrfd_*.onnx"),
    "landmarks": ("2d106det.onnx",),
    "identity": ("w600k_*.onnx", "glintr100.onnx"),
}
"""What a network does → names it has in the packs `buffalo_l`, `buffalo_m`, `buffalo_s` and `antelopev2`."""


def files(folder: Path) -> dict[str, Path]:
    """What each network does → its file.

    Raises:
        ConfigError: the folder lacks one.
    """
    found = {}
    for role, patterns in FILES.items():
        paths = sorted(path for pattern in patterns for path in folder.glob(pattern))
        if not paths:
            raise ConfigError(
                f"engines.insightface.pack: {folder} holds no {' or '.join(patterns)}; "
                "name the folder of an unpacked model pack, such as buffalo_l"
            )
        found[role] = paths[0]
    return found
