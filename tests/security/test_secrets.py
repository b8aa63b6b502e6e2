"""Secrets stay where they were given: no command shows one."""

import os
import subprocess
import sys


def test_the_settings_are_shown_without_passwords() -> None:
    secrets = {"KAFKA_SASL_PASSWORD": "kafka-secret", "REDIS_URL": "rediss://serve:redis-secret@cache:6380/1"}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "config", "show"], env=os.environ | secrets, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "-secret" not in done.stdout
    assert "rediss://cache:6380/1" in done.stdout
