"""Firefox, headless, at a page; what it is told on stdin it does, and says what came of it.

    python firefox_walk.py URL

Runs in an environment of its own with `marionette_driver`. Each line is JSON: `script`, the body of
an asynchronous function in the page, and `values`, its argument; a line with its result follows.
"""

from __future__ import annotations

import json
import shutil
import sys

from marionette_driver.marionette import Marionette

SECONDS = 60
AWAITED = """
const [script, values, done] = arguments;
const run = new (Object.getPrototypeOf(async () => {}).constructor)("values", script);
run(values).then((value) => done({ value }), (error) => done({ error: String(error) }));
"""


def main() -> None:
    """Open the page, and do as told until there is nothing more."""
    client = Marionette(bin=shutil.which("firefox-esr") or shutil.which("firefox"), headless=True)
    client.start_session()
    try:
        client.timeout.script = SECONDS
        client.navigate(sys.argv[1])
        for line in sys.stdin:
            asked = json.loads(line)
            found = client.execute_async_script(
                AWAITED, script_args=[asked["script"], asked["values"]], sandbox=None
            )
            print(json.dumps(found), flush=True)  # noqa: T201 (to whoever asked)
    finally:
        client.cleanup()


if __name__ == "__main__":
    main()
