"""Networks in ONNX's formats, run by onnxruntime so that the same input gives the same answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dubcli.errors import DependencyError


def session(path: Path, model: bytes | None = None) -> Any:
    """An `onnxruntime.InferenceSession` of a file, on one thread of the processor.

    Args:
        path: the file.
        model: what to run in place of its content.

    Raises:
        DependencyError: the file is no network that can be run.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # more add in another order
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model or str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors share no base class
        reason = str(error).splitlines()[0]
        raise DependencyError(f"{path} is no network that onnxruntime can run ({reason})") from None
