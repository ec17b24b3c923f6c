"""Many new files in a watched folder within seconds: each of them is found, and recorded once."""

from typing import TYPE_CHECKING, Any

from verdicts import SCALE, takes_its_time

if TYPE_CHECKING:
    from conftest import Cli

pytestmark = takes_its_time


def test_many_new_files_in_a_watched_folder_are_all_recorded(cli: "Cli", judge: Any, service: Any) -> None:
    account = judge("many new files at once")
    content = b"id,count\n0,0\n"
    account.note(cli.write("first.csv", content), content)
    cli("csv_watcher_add", cli.folder)
    running = service()
    for number in range(SCALE.files):
        content = f"id,count\n{number},1\n".encode()
        account.note(cli.write(f"{number}.csv", content), content)
        cli.write(f".{number}.csv.tmp", b"id,cou")
    account.wait()
    assert running.stop() == 0
    account.check(settled=SCALE.files + 1)
