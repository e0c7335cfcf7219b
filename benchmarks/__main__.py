"""``python -m benchmarks [NAME ...]``: runs the benchmarks and prints a table.

Lives here: choosing and printing. Does not live here: what is measured (one module each).
"""

import sys

from benchmarks import callbacks, downloads, drive, pages, poll_faults, sensors, validate

BENCHMARKS = {
    "callbacks": callbacks.main,
    "downloads": downloads.main,
    "drive": drive.main,
    "pages": pages.main,
    "poll_faults": poll_faults.main,
    "sensors": sensors.main,
    "validate": validate.main,
}

if __name__ == "__main__":
    names = sys.argv[1:] or list(BENCHMARKS)
    for name in names:
        if name not in BENCHMARKS:
            sys.exit(f"There is no benchmark {name!r}; there are {', '.join(BENCHMARKS)}.")
        print(f"== {name}: {(sys.modules[f'benchmarks.{name}'].__doc__ or '').splitlines()[0]}")
        BENCHMARKS[name]()
