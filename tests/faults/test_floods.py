"""More events in a moment than anyone can look at: every file is looked at all the same."""

from typing import TYPE_CHECKING, Any

from killing import Killer
from verdicts import SCALE, takes_its_time

if TYPE_CHECKING:
    from conftest import Cli

pytestmark = takes_its_time


def test_many_files_that_are_rewritten_at_once_are_all_recorded(
    cli: "Cli", judge: Any, service: Any, killer: Killer
) -> None:
    account = judge("many files rewritten at once")
    for number in range(SCALE.files):
        content = f"id,count\n{number},1\n".encode()
        account.note(cli.write(f"{number}.csv", content), content)
    assert killer.start("csv_watcher_add", cli.folder).wait(SCALE.limit) == 0
    account.wait()
    running = service()
    for number in range(SCALE.files):
        content = f"id,count\n{number},2\n{number + 1},1\n".encode()
        account.put(cli.folder / f"{number}.csv", content)
    account.wait()
    assert running.stop() == 0
    account.check(settled=2 * SCALE.files)
