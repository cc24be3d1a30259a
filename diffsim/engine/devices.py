"""What devices cannot do, and how much memory they have: asked before anything is allocated or compiled."""

import contextlib
import ctypes
import math
import pathlib
import struct
from typing import Any

from diffsim.errors import DeviceError

__all__ = ["MOST_BYTES", "SINGLE", "check_memory", "check_precision", "memory_of", "name_of_vulkan", "words"]

SINGLE = ("vulkan", "metal")
"""Devices for which Taichi compiles no functions (exp, sin, ...) of float64; Metal has none at all."""

MOST_BYTES = 2**31 - 1
"""Of an array with its gradient, on Vulkan and Metal: there Taichi counts bytes with 32 bits."""

_LOCAL = 1  # of a heap of Vulkan's: it is on the device


def check_precision(device: str, precision: str) -> None:
    """Raise DeviceError if the device does not compute in this precision."""
    if precision == "f64" and device in SINGLE:
        raise DeviceError(
            f"precision is 'f64', but Taichi has no functions of float64 on {device!r}; use precision='f32' there, or "
            "device='cpu' or 'cuda'"
        )


def check_memory(
    device: str, fields: Any, rows: int, checkpointed: bool = False, *, instead: tuple[str, ...] = ()
) -> None:
    """Raise DeviceError if the fields need more memory than there is, with the arithmetic and what helps.

    Args:
        device: name of the Taichi device.
        fields: not yet allocated.
        rows: steps that are to be kept at a time.
        checkpointed: whether those are a segment already.
        instead: what helps besides fewer copies, if it is not fewer steps.
    """
    there = memory_of(device)
    path, rest = fields.row_bytes * (rows + 1), fields.other_bytes
    if there is not None and path + rest > there:
        few = int(there // max((path + rest) / fields.envs, 1.0))
        keep = 0.5e-6 * (there - rest) if rest + 3 * fields.row_bytes < there else 0.0
        raise DeviceError(
            f"this simulation needs {words(path + rest)} on {device!r}, where there are {words(there)}: {fields.envs} "
            f"copies x {rows + 1} rows x {words(fields.row_bytes // fields.envs)}, gradients included, and "
            f"{words(rest)} besides; use {_helps(fields.envs, few, keep, rows, checkpointed, instead)}"
        )
    most = fields.most_bytes(rows + 1)
    if device in SINGLE and most > MOST_BYTES:
        few, keep = MOST_BYTES * fields.envs // most, 0.5e-6 * path * MOST_BYTES / most
        raise DeviceError(
            f"an array of this simulation needs {words(most)} with its gradient, and on {device!r} one has no more "
            f"than {words(MOST_BYTES)}; use {_helps(fields.envs, few, keep, rows, checkpointed, instead)}"
        )


def _helps(envs: int, few: int, keep: float, rows: int, checkpointed: bool, instead: tuple[str, ...]) -> str:
    """What helps where so many copies, or rows in so many megabytes, would fit."""
    helps = [f"at most {few} copies (envs)"] if few and envs > 1 else []
    if not instead and not checkpointed and rows > 1 and keep:
        helps.append(f"adjoint=Checkpointed(memory='{int(keep) or 1}MB')")
    return " or ".join([*helps, *(instead or ("fewer steps" if not checkpointed else "shorter segments",))])


def words(size: float) -> str:
    """An amount of memory, as people write it."""
    power = max(0, min(3, int(math.log(max(size, 1.0), 1e3))))
    return f"{size / 1e3**power:.{0 if power == 0 else 3}g} {('bytes', 'kB', 'MB', 'GB')[power]}"


def memory_of(device: str) -> float | None:
    """Bytes of memory: of a CPU what is available, of another device all that it has; None if nobody says."""
    with contextlib.suppress(Exception):
        if device == "cpu":
            return _of_this_machine()
        if device == "cuda":
            return _of_cuda()
        if device == "vulkan":
            return _of_vulkan()
    return None


def _of_this_machine() -> float | None:
    lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
    found = next(float(line.split()[1]) * 1024.0 for line in lines if line.startswith("MemAvailable"))
    limit = pathlib.Path("/sys/fs/cgroup/memory.max")
    with contextlib.suppress(OSError, ValueError):
        found = min(found, float(limit.read_text()))
    return found


def _of_cuda() -> float | None:
    cuda = ctypes.CDLL("libcuda.so.1")
    device, total = ctypes.c_int(), ctypes.c_size_t()
    failed = cuda.cuInit(0) or cuda.cuDeviceGet(ctypes.byref(device), 0)
    failed = failed or cuda.cuDeviceTotalMem_v2(ctypes.byref(total), device)
    return None if failed else float(total.value)


def _of_vulkan() -> float | None:
    """Of the device that has most: which one Taichi takes it does not say."""
    return max((size for _, size in _vulkan_devices()), default=None)


def name_of_vulkan() -> str:
    """Names of the devices that Vulkan finds; nothing if there is no Vulkan."""
    with contextlib.suppress(Exception):
        return ", ".join(name for name, _ in _vulkan_devices())
    return ""


def _vulkan_devices() -> list[tuple[str, float]]:
    """Name and memory of each [bytes], asked of Vulkan's library with its own records."""
    vulkan = ctypes.CDLL("libvulkan.so.1")
    info, instance, many = ctypes.create_string_buffer(64), ctypes.c_void_p(), ctypes.c_uint32()
    struct.pack_into("<I", info, 0, 1)  # VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO
    if vulkan.vkCreateInstance(info, None, ctypes.byref(instance)):
        return []
    found = []
    try:
        vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(many), None)
        listed = (ctypes.c_void_p * many.value)()
        vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(many), listed)
        for device in listed:
            # VkPhysicalDeviceProperties: five whole numbers, then the name, 256 bytes.
            told = ctypes.create_string_buffer(2048)
            vulkan.vkGetPhysicalDeviceProperties(ctypes.c_void_p(device), told)
            name = told.raw[20:276].partition(b"\0")[0].decode()
            # VkPhysicalDeviceMemoryProperties: 4 + 32 x 8 bytes of types, the number of heaps, and 16 bytes for each.
            vulkan.vkGetPhysicalDeviceMemoryProperties(ctypes.c_void_p(device), told)
            heaps = [struct.unpack_from("<QI", told, 264 + 16 * k) for k in range(*struct.unpack_from("<I", told, 260))]
            found.append((name, float(sum(size for size, flags in heaps if flags & _LOCAL))))
        return found
    finally:
        vulkan.vkDestroyInstance(instance, None)
