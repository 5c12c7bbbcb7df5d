"""The whole way to people, in real processes: few messages, at the right time, whatever is killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import running, wait_for
from sinks.mail_server import MailServer
from sinks.slack_workspace import TOKEN, Workspace, seen

from processor.simulation import changed, notify

CONFIG = """
[sinks.channel]
type = "slack"
token = "{token}"
channel = "#ops"
api_url = "{slack}"

[sinks.office]
type = "email"
smtp_url = "smtp://127.0.0.1:{smtp}"
from = "jobwire <jobwire@example.com>"
to = ["office@example.com"]
group = "4s"
"""


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    workspace = Workspace()
    yield workspace
    workspace.stop()


@pytest.fixture
def mail() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.stop()


def test_a_job_is_one_mail_and_one_living_message_also_when_the_worker_is_killed(
    tmp_path: Path, workspace: Workspace, mail: MailServer
) -> None:
    with running(tmp_path, CONFIG.format(token=TOKEN, slack=workspace.api_url, smtp=mail.port)) as it:
        hover = it.simulated.by_name["hover"]
        hover.put_job(hover.sample("hover-1"))
        began = time.monotonic()
        notify(hover, "15084303")
        wait_for(lambda: len(it.events()) == 3)
        it.kill("workers")  # everything waits in Redis
        wait_for(lambda: mail.mails, 60)
        assert time.monotonic() - began >= 4
        wait_for(lambda: len({seen(reply.content) for reply in workspace.messages if reply.thread}) == 3, 60)
        hover.put_job(changed(hover.sample("hover-1"), {"id": 16, "name": "Second House"}))
        notify(hover, "16")
        wait_for(lambda: len(mail.mails) == 2, 60)
    first, second = mail.messages()
    assert "Main House" in first["Subject"]
    assert "Second House" in second["Subject"]
    text = first.get_body(("plain",)).get_content()  # type: ignore[union-attr]  # it has one
    for line in ("Model failed: Garage", "Model ready: Main House", "Lack of exterior shots".lower()):
        assert line.lower() in text.lower()
    messages = [message for message in workspace.on_top() if "15084303" in seen(message.content)]
    everything = [reply for message in messages for reply in workspace.replies(message)] + messages
    assert len(everything) - 4 in (0, 1), "more than what was on its way when the worker died came twice"
    assert "Job succeeded: Main House (15084303): 1 of 2 models ready" in seen(messages[-1].content)
