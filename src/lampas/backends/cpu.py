"""What the processor can do."""

import functools


@functools.cache
def get_cpu_capability() -> str:
    """The widest vector instructions of the machine: "AVX512", "AVX2" or "DEFAULT"."""
    try:
        with open("/proc/cpuinfo") as file:
            flags = next((set(line.split()) for line in file if line.startswith(("flags", "Features"))), set())
    except OSError:
        flags = set()
    return (
        "AVX512"
        if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= flags
        else "AVX2"
        if "avx2" in flags
        else ("DEFAULT")
    )
