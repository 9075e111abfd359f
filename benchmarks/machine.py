"""What the times depend on beside the libraries."""

import datetime
import os
import platform
from dataclasses import dataclass
from pathlib import Path

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


@dataclass(frozen=True)
class Machine:
    """The processor, its memory, and the system."""

    cpu: str
    flags: list[str]
    cores: int
    memory: int  # bytes
    system: str
    python: str
    date: str

    def text(self) -> str:
        """A line that describes it."""
        flags = f" ({', '.join(self.flags)})" if self.flags else ""
        return f"{self.cpu}{flags}, {self.cores} cores, {self.memory / 2**30:.0f} GiB"


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def this_machine() -> Machine:
    """The machine this runs on."""
    fields: dict[str, str] = {}
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            key, colon, value = line.partition(":")
            if colon:
                fields[key.strip()] = value.strip()
    flags = fields.get("flags", "").split()
    return Machine(
        cpu=fields.get("model name") or platform.processor() or platform.machine(),
        flags=[flag for flag in FLAGS if flag in flags],
        cores=cores(),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        system=platform.platform(),
        python=platform.python_version(),
        date=datetime.date.today().isoformat(),
    )
