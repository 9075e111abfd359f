"""OpenMP, whose threads the kernels share: always there."""


def is_available() -> bool:
    """Whether kernels use OpenMP: yes."""
    return True
