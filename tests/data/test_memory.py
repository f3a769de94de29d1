import resource

import pytest

from alternax.data import memory

GB = 2**30


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A system of our own making: files by name."""

    def make(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
        monkeypatch.setattr(memory, "OWN_GROUP", tmp_path / "cgroup")
        monkeypatch.setattr(memory, "CGROUPS", tmp_path / "groups")
        monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    return make


MACHINE = "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n"


def test_what_the_machine_has_available(system):
    system(meminfo=MACHINE)
    assert memory.available_memory() == 8 * GB


def test_a_container_leaves_its_limit_less_what_it_uses_but_for_files_read_lately(system):
    system(
        meminfo=MACHINE,
        cgroup="0::/app\n",
        groups__app__memory_dot_max=f"{4 * GB}\n",
        groups__app__memory_dot_current=f"{3 * GB}\n",
        groups__app__memory_dot_stat=f"anon 1\ninactive_file {2 * GB}\n",
    )
    assert memory.available_memory() == 3 * GB


def test_the_limit_of_an_outer_group_holds_too(system):
    system(
        meminfo=MACHINE,
        cgroup="0::/outer/inner\n",
        groups__outer__inner__memory_dot_max="max\n",
        groups__outer__inner__memory_dot_current="1\n",
        groups__outer__memory_dot_max=f"{2 * GB}\n",
        groups__outer__memory_dot_current=f"{GB}\n",
    )
    assert memory.available_memory() == GB


def test_the_older_kind_of_groups(system):
    system(
        meminfo=MACHINE,
        cgroup="4:memory:/docker/abc\n0::/\n",
        groups__memory__memory_dot_limit_in_bytes=f"{2 * GB}\n",
        groups__memory__memory_dot_usage_in_bytes=f"{3 * GB}\n",
        groups__memory__memory_dot_stat=f"total_inactive_file {2 * GB}\n",
    )
    assert memory.available_memory() == GB


def test_the_limit_of_the_process_less_what_it_has(system, monkeypatch):
    system(meminfo=MACHINE)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10**15, 10**15))
    monkeypatch.setattr(memory, "_in_machine", lambda: None)
    assert 10**15 - 2**46 < memory.available_memory() < 10**15


def test_a_system_that_tells_nothing(system, monkeypatch):
    system()
    monkeypatch.setattr(memory.os, "sysconf_names", {})
    assert memory.available_memory() is None


def test_this_machine_has_memory():
    assert memory.available_memory() is None or memory.available_memory() > 2**20
