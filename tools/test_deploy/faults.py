"""What the parts of the test tell a person."""
import subprocess
import sys
import time


class Fault(Exception):
    """What a person should read and mend."""


def say(text: str) -> None:
    print(f"test-deploy: {text}", file=sys.stderr, flush=True)


def wait_for(what: str, holds, seconds: float = 60):
    """The first value of holds() that is true; asks again until then."""
    end = time.monotonic() + seconds
    fault = ""
    while True:
        try:
            value = holds()
        except (OSError, Fault, subprocess.SubprocessError) as error:
            value, fault = None, f" ({error})"
        if value:
            return value
        if time.monotonic() > end:
            raise Fault(f"{what}: not within {seconds:.0f} s{fault}")
        time.sleep(0.3)
