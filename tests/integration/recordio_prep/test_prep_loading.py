"""What the command loads before it begins, which every run waits for."""

import subprocess
import sys


def test_packing_loads_no_library_that_it_does_not_use():
    """SciPy, HTTP clients and AWS's libraries take as long to load as hundreds of photos to pack."""
    program = "import sys, scripts.commands.prepare; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], check=True, capture_output=True, text=True
    )
    unused = {"scipy", "imagehash", "boto3", "httpx", "bson", "dask", "urllib.request"}
    assert unused & set(done.stdout.split()) == set()
