"""Which folders give no file events, by the table of mounts; and the names that a path leads through."""

import os
from pathlib import Path

import pytest

from csv_manager.core.mounts import find_remote
from csv_manager.watch.links import targets

MOUNTS = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /mnt/nfs rw,relatime shared:2 - nfs4 server:/export rw,vers=4.2
31 22 0:27 / /mnt/my\040share rw - cifs //server/share rw
32 30 254:1 / /mnt/nfs/local rw - xfs /dev/vdb rw
33 22 0:28 / /home/me/remote rw,nosuid - fuse.sshfs me@host: rw
34 22 0:29 / /srv rw - 9p host rw
35 34 254:2 / /srv rw - ext4 /dev/vdc rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", None),
        ("/data", None),
        ("/mnt/nfs", "nfs4"),
        ("/mnt/nfs/in/deep", "nfs4"),
        ("/mnt/nfs/local/in", None),
        ("/mnt/nfs2", None),
        ("/mnt/my share/in", "cifs"),
        ("/home/me/remote", "fuse.sshfs"),
        ("/srv/in", None),
    ],
)
def test_a_folder_of_a_network_filesystem_is_known_by_its_mount(folder: str, kind: str | None) -> None:
    reason = find_remote(folder, MOUNTS)
    assert (kind is None) == (reason is None)
    assert kind is None or f"({kind})" in (reason or "")


def test_what_is_no_table_of_mounts_says_nothing() -> None:
    assert find_remote("/data", "no table\n\n") is None


def test_a_folder_of_this_machine_gives_events(tmp_path: Path) -> None:
    assert find_remote(os.path.realpath(tmp_path)) is None


def test_a_path_without_links_leads_through_no_other_name(tmp_path: Path) -> None:
    assert targets(os.path.realpath(tmp_path) + "/a.csv") == ()


def test_a_path_leads_through_every_link_on_its_way(tmp_path: Path) -> None:
    root = Path(os.path.realpath(tmp_path))
    (root / "v1").mkdir()
    (root / "v1" / "real.csv").write_bytes(b"a\n")
    (root / "v1" / "a.csv").symlink_to("./real.csv")
    (root / "now").symlink_to(root / "v1")
    (root / "current").symlink_to("sub/../now")
    (root / "sub").mkdir()
    found = [os.path.relpath(name, root) for name in targets(str(root / "current" / "a.csv"))]
    assert found == ["current", "now", "v1/a.csv", "v1/real.csv"]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    root = Path(os.path.realpath(tmp_path))
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    assert set(targets(str(root / "a"))) <= {str(root / "b"), str(root)}
