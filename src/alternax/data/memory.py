"""How much memory this process may still take, where the system tells."""

import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")
MEMINFO = Path("/proc/meminfo")
LIMITS = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))


def available_memory() -> int | None:
    """Bytes left in the machine, in the container and in the process's own limit, whichever are fewest.

    None where the system tells nothing.
    """
    rooms = [room for room in (_in_machine(), _in_group(), _in_process()) if room is not None]
    return max(min(rooms), 0) if rooms else None


def _in_machine() -> int | None:
    """What could be had without swapping; elsewhere than on Linux free pages, or all pages there are."""
    if MEMINFO.exists():
        entries = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines() if ":" in line)
        if "MemAvailable" in entries:
            return int(entries["MemAvailable"].split()[0]) * 1024
    names = getattr(os, "sysconf_names", {})
    pages = next((name for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES") if name in names), None)
    return None if pages is None else os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")


def _in_group() -> int | None:
    """What the limits of the control groups around this process leave; containers limit memory so."""
    if not OWN_GROUP.exists():
        return None
    lines = [line.split(":", 2) for line in OWN_GROUP.read_text().splitlines()]
    rooms = []
    for _, controllers, group in lines:
        root = CGROUPS / "memory" if "memory" in controllers.split(",") else CGROUPS
        folder = root / group.lstrip("/")
        # Inside a container the group's own path may not be mounted: its limit then stands at the root.
        rooms += [_room(place) for place in (folder, *folder.parents) if place == root or root in place.parents]
    known = [room for room in rooms if room is not None]
    return min(known) if known else None


def _room(folder: Path) -> int | None:
    for limit, usage in LIMITS:
        try:
            allowed, used = (folder / limit).read_text().strip(), int((folder / usage).read_text())
        except (OSError, ValueError):
            continue
        return None if allowed == "max" else int(allowed) - used + _reclaimable(folder)
    return None


def _reclaimable(folder: Path) -> int:
    """Files that were read lately count as used, though they make room for anything else."""
    try:
        entries = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(entries.get("total_inactive_file", entries.get("inactive_file", 0)))


def _in_process() -> int | None:
    """What `ulimit -v` leaves."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return None
        return limit - int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (ImportError, OSError, ValueError):
        return None
