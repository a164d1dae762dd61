"""The engines that settings ask for: whether they are there now, not hours into a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dubcli.engines.registry import EngineInfo, engine
from dubcli.errors import ConfigError, DependencyError, UsageError
from dubcli.models import onnx
from dubcli.settings.layers import Resolved

SETTINGS = {"tracker": "track.engine", "aligner": "align.engine", "lips": "lips.engine"}
"""Engine kind → the setting that names the engine."""


def check(resolved: Resolved) -> None:
    """Make sure that every engine can be used, and the tracker where it is to compute.

    Raises:
        UsageError: a flag names an engine that does not exist, or a device that the tracker does not take.
        ConfigError: another layer does.
        DependencyError: the package that an engine needs is not installed, or its licence not accepted.
    """
    values = {name: value for name, value, _ in resolved.rows()}
    for kind, dotted in SETTINGS.items():
        origin = resolved.origins.get(dotted, "default")
        try:
            info = engine(kind, values[dotted])
        except ConfigError as error:
            kind_of_error = UsageError if origin.startswith("--") else ConfigError
            raise kind_of_error(f"{origin}: {error}") from None
        for one in (info, *(engine(kind, name) for name in info.chooses)):
            _check(one, values, resolved)
    if values["track.device"] == "cuda":
        _check_cuda(
            engine("tracker", values["track.engine"]), resolved.origins.get("track.device", "default")
        )


def _check_cuda(info: EngineInfo, origin: str) -> None:
    if not info.cuda:
        kind_of_error = UsageError if origin.startswith("--") else ConfigError
        raise kind_of_error(
            f"{origin}: track.device is cuda, and the tracker {info.name} computes on the processor alone; "
            "leave track.device out"
        )
    onnx.require_cuda()


def _check(info: EngineInfo, values: Mapping[str, Any], resolved: Resolved) -> None:
    if not info.installed and not values.get(info.elsewhere):
        package, other = info.package, f", or set {info.elsewhere}" if info.elsewhere else ""
        raise DependencyError(
            f"{info.kind} engine {info.name} needs {package}; type: pip install {package}{other}"
        )
    if not info.commercial and info.name not in resolved.settings.engines.accepted:
        raise DependencyError(
            f"{info.kind} engine {info.name} is not for commercial use ({info.licence}); "
            f"where that suits you, add --accept-licence {info.name}"
        )
