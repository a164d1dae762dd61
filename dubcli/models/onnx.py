"""ONNX networks, run by onnxruntime so that the same input gives the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dubcli.errors import DependencyError


def session(path: Path, model: bytes | None = None) -> Any:
    """An `onnxruntime.InferenceSession` of a file, on one CPU thread.

    Args:
        path: the file.
        model: bytes to run in place of the file's content.

    Raises:
        DependencyError: onnxruntime cannot run the network.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # with more, sums are in no fixed order
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model or str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the errors of onnxruntime share no base class
        reason = str(error).splitlines()[0]
        raise DependencyError(f"{path} is not a network that onnxruntime can run ({reason})") from None
