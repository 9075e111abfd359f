"""What a report of a problem should say about the machine: ``python -m lampas.utils.collect_env``."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from typing import Any, NamedTuple

import lampas
from lampas import _C

__all__ = ["SystemEnv", "get_env_info", "get_pretty_env_info", "main", "pretty_str"]

_LIBRARIES = (
    "lampas", "numpy", "onnx", "onnxruntime", "pillow", "safetensors", "scipy", "tensorboard", "torch", "torchvision",
)  # fmt: skip
_NOTHING = "Could not collect"


class SystemEnv(NamedTuple):
    """The facts, each a text or None."""

    torch_version: str
    lampas_version: str
    is_debug_build: str
    cuda_compiled_version: str
    os: str
    gcc_version: str | None
    cmake_version: str | None
    libc_version: str
    python_version: str
    python_platform: str
    is_cuda_available: str
    engine: str
    threads: str
    cpu_info: str | None
    pip_packages: str


def _run(*command: str) -> str | None:
    """What a program prints, or None where it is missing or fails."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, env={**os.environ, "LC_ALL": "C"})
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _system() -> str:
    try:
        name = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        name = platform.system()
    return f"{name} ({platform.machine()})"


def _packages() -> str:
    lines = []
    for name in _LIBRARIES:
        try:
            lines.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return "\n".join(lines)


def _first_version(text: str | None) -> str | None:
    import re

    found = re.search(r"\d+(\.\d+)+", text.splitlines()[0]) if text else None
    return found.group() if found else None


def get_env_info() -> SystemEnv:
    """The facts about this machine."""
    bits = sys.maxsize.bit_length() + 1
    return SystemEnv(
        torch_version=str(lampas.__version__),
        lampas_version=lampas.version.lampas,
        is_debug_build="False",
        cuda_compiled_version="None",
        os=_system(),
        gcc_version=_first_version(_run("gcc", "--version")),
        cmake_version=_first_version(_run("cmake", "--version")),
        libc_version="-".join(platform.libc_ver()),
        python_version=f"{sys.version.replace(chr(10), ' ')} ({bits}-bit runtime)",
        python_platform=platform.platform(),
        is_cuda_available=str(lampas.cuda.is_available()),
        engine=str(_C._arch),
        threads=str(lampas.get_num_threads()),
        cpu_info=_run("lscpu"),
        pip_packages=_packages(),
    )


def pretty_str(envinfo: Any) -> str:
    """The facts as the text that belongs into a report."""

    def shown(value: str | None) -> str:
        return value or _NOTHING

    packages = "\n".join(f"[pip3] {line}" for line in envinfo.pip_packages.splitlines())
    return f"""\
PyTorch version: {envinfo.torch_version}
lampas version: {envinfo.lampas_version}
Is debug build: {envinfo.is_debug_build}
CUDA used to build PyTorch: {envinfo.cuda_compiled_version}

OS: {envinfo.os}
GCC version: {shown(envinfo.gcc_version)}
CMake version: {shown(envinfo.cmake_version)}
Libc version: {envinfo.libc_version}

Python version: {envinfo.python_version}
Python platform: {envinfo.python_platform}
Is CUDA available: {envinfo.is_cuda_available}
Engine built for: {envinfo.engine}
Threads: {envinfo.threads}

CPU:
{shown(envinfo.cpu_info)}

Versions of relevant libraries:
{shown(packages)}"""


def get_pretty_env_info() -> str:
    """`pretty_str` of `get_env_info`."""
    return pretty_str(get_env_info())


def main() -> None:
    """Prints the facts."""
    print("Collecting environment information...")
    print(get_pretty_env_info())


if __name__ == "__main__":
    main()
