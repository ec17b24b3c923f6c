"""What starts the program: the console script, and `python -m csv_manager`.

Most of a short command's time goes into imports. So next to nothing is imported before Ctrl-C is answered.
"""

import os
import signal


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else the caller has it ignored
        signal.signal(signal.SIGINT, _end)
    from csv_manager.applications.csv_manager_app import start_app

    start_app()


def _end(*_: object) -> None:
    """End at once: nothing has begun that would have to be cleaned up, and an import might swallow an exception."""
    os.write(2, b"Interrupted.\n")
    os._exit(130)


if __name__ == "__main__":
    main()
