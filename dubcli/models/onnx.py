"""ONNX networks, run by onnxruntime so that the same input gives the same bits."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from dubcli.errors import DependencyError

_CUDA = "CUDAExecutionProvider"
_CUDA_OPTIONS = {
    "use_tf32": "0",  # ten bits of mantissa
    "cudnn_conv_algo_search": "HEURISTIC",  # the default times algorithms, and another run may choose others
    "arena_extend_strategy": "kSameAsRequested",  # others use the card too
}
INSTALL = "pip uninstall onnxruntime && pip install onnxruntime-gpu"
"""The two lie in one folder: where both are installed, either may be found."""
_ON_CPU = "or type the same with --set track.device=cpu"


def session(path: Path, model: bytes | None = None, device: str = "cpu") -> Any:
    """An `onnxruntime.InferenceSession` of a file, on one CPU thread or a CUDA device.

    Args:
        path: the file.
        model: bytes to run in place of the file's content.
        device: `cpu` or `cuda`.

    Raises:
        DependencyError: onnxruntime cannot run the network, or not on that device.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # with more, sums are in no fixed order
    options.log_severity_level = 3
    providers: list[Any] = ["CPUExecutionProvider"]
    if device == "cuda":
        options.use_deterministic_compute = True
        providers = [(_CUDA, _CUDA_OPTIONS)]
        if hasattr(onnxruntime, "preload_dlls"):  # 1.21 and later: CUDA and cuDNN of torch's packages
            onnxruntime.preload_dlls()
    try:
        made = onnxruntime.InferenceSession(
            model or str(path), options, providers=providers, enable_fallback=0
        )
    except Exception as error:  # the errors of onnxruntime share no base class
        if device == "cuda":
            raise _no_cuda(path, reason(str(error))) from None
        raise DependencyError(
            f"{path} is not a network that onnxruntime can run ({reason(str(error))})"
        ) from None
    made.disable_fallback()  # nor may `run` go over to the processor; onnxruntime 1.17 does not know the word
    if device == "cuda" and _CUDA not in made.get_providers():  # which is no error to onnxruntime
        raise _no_cuda(path, "CUDA and cuDNN of the versions that it asks for do not load")
    return made


def has_cuda() -> bool:
    """Whether the onnxruntime that is installed was built for CUDA devices; there need not be one."""
    import onnxruntime

    return _CUDA in onnxruntime.get_available_providers()


def require_cuda() -> None:
    """Make sure that the onnxruntime which is installed was built for CUDA devices.

    Raises:
        DependencyError: it was not.
    """
    if not has_cuda():
        raise DependencyError(
            "track.device is cuda, and the onnxruntime that is installed computes on the processor alone; "
            f"type: {INSTALL}, {_ON_CPU}"
        )


def main() -> None:
    """Try whether the networks that the command line names can be opened on a CUDA device."""
    try:
        for name in sys.argv[1:]:
            session(Path(name), device="cuda")
    except DependencyError as error:
        sys.exit(str(error))


def reason(words: str) -> str:
    """What is wrong, of what onnxruntime says: CUDA's own words, without places in the source, or a line."""
    own = re.search(r"\b(CUDA|CUDNN|CUBLAS) failure \d+: [^;\n]*", words)
    return (own[0] if own else words.strip().partition("\n")[0]).strip()


def _no_cuda(path: Path, why: str) -> DependencyError:
    return DependencyError(
        f"onnxruntime cannot run {path.name} on a CUDA device here ({why}); see to it (nvidia-smi), {_ON_CPU}"
    )
