"""What `burgee health` asks when nobody names it: what the container was started as."""

from pathlib import Path

import pytest

from burgee.reachability import contained
from burgee.settings import PROCESSES

KINDS = {kind.process for kind in PROCESSES}


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("/opt/burgee/bin/python /opt/burgee/bin/burgee edge --workers 4", "edge"),
        ("/sbin/docker-init -- burgee edge-rest", "edge-rest"),
        ("sh -c burgee", None),
        ("/opt/burgee/bin/python /opt/burgee/bin/burgee migrate", None),
        ("/sbin/init", None),
        ("", None),
    ],
)
def test_the_first_process_says_what_a_container_runs(tmp_path: Path, words: str, kind: str | None) -> None:
    first = tmp_path / "cmdline"
    first.write_bytes(b"".join(word.encode() + b"\0" for word in words.split()))
    assert contained(KINDS, first=first) == kind


def test_where_nobody_tells_how_it_was_started_there_is_no_answer(tmp_path: Path) -> None:
    assert contained(KINDS, first=tmp_path / "nothing") is None
