"""The blocking server of the command line: what it says, and that it stops at once."""

import re
import signal
import subprocess
import sys

from banana_pipeline_tests.emulator.conftest import anyone

PROGRAM = "from banana_pipeline.emulator import EmulatorConfig, serve; serve(EmulatorConfig())"


def test_serve_says_how_to_use_it_and_stops_quietly_at_ctrl_c() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        settings = dict(re.findall(r"(KIE_\w+)=(\S+)", line))
        assert settings["KIE_BASE_URL"] == settings["KIE_UPLOAD_BASE_URL"]
        headers = {"authorization": f"Bearer {settings['KIE_API_KEY']}"}
        url = f"{settings['KIE_BASE_URL']}/api/v1/chat/credit"
        assert anyone.get(url, headers=headers).json()["data"] == 100_000.25
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=5)
    assert (process.returncode, rest) == (0, ("", ""))
