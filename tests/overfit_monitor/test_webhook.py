"""Messages to a real server, and every way in which it can fail, none of which costs the training anything."""

import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from overfit_monitor import Monitor, MonitorWarning, UsageError
from overfit_monitor.cli import main
from overfit_monitor.testing import curves
from overfit_monitor.webhook import LONGEST, Webhook, WebhookError, message, webhook

CURVE = curves.overfit(60)
SECRET = "/services/T0/B0/s3cr3t"


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.received, self.tries = [], [], 0
        self.url = f"http://127.0.0.1:{self.server_port}{SECRET}"
        self.over = threading.Event()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        server = self.server
        server.tries += 1
        content = self.rfile.read(int(self.headers["Content-Length"]))
        answer = server.answers.pop(0) if server.answers else 200
        if answer == "hang":
            server.over.wait(20)
            answer = 200
        if answer == "close":
            self.connection.close()
            return
        if answer == "garbage":
            self.wfile.write(b"no HTTP at all\r\n\r\n")
            return
        if answer == 200:
            server.received.append(json.loads(content))
        code, header, said = answer if isinstance(answer, tuple) else (answer, None, b"")
        self.send_response(code)
        if code == 302:
            self.send_header("Location", f"http://127.0.0.1:{server.server_port}/elsewhere")
        if header is not None:
            self.send_header("Retry-After", header)
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr("overfit_monitor.webhook.PAUSES", (0.01, 0.02))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.over.set()
        server.shutdown()


def train(monitor):
    for step in range(60):
        monitor.log(step=step, train={"loss": CURVE.train[step]}, val={"loss": CURVE.val[step]})
    diagnosis = monitor.diagnosis
    monitor.close()
    return diagnosis


def test_one_message_for_each_alert_and_one_for_the_stop(server):
    diagnosis = train(Monitor(sinks={"webhook": webhook(server.url, run="exp1")}))
    alert, stop = server.received
    assert (alert["event"], alert["finding"], alert["run"]) == ("alert", "overfitting", "exp1")
    assert (alert["verdict"], alert["alarm_step"]) == ("overfitting", diagnosis.alarm_step)
    assert (stop["event"], stop["stop_step"], stop["rule"]) == ("stop", diagnosis.stop_step, "evidence")
    assert alert["text"].startswith("alert: exp1 (overfitting): validation is ")
    assert [block["type"] for block in alert["blocks"]] == ["section", "section", "context"]
    assert "best step" in alert["blocks"][2]["elements"][0]["text"]


def test_the_variable_adds_it_to_the_default_sinks(server, tmp_path, monkeypatch):
    monkeypatch.setenv("OVERFIT_MONITOR_WEBHOOK", server.url)
    train(Monitor(tmp_path / "exp2"))
    assert [(each["event"], each["run"]) for each in server.received] == [("alert", "exp2"), ("stop", "exp2")]
    server.received.clear()
    train(Monitor(tmp_path / "exp3", sinks={}))
    assert server.received == []


def test_a_variable_that_is_no_address_is_one_warning(tmp_path, monkeypatch):
    monkeypatch.setenv("OVERFIT_MONITOR_WEBHOOK", f"file://{SECRET}")
    with pytest.warns(MonitorWarning, match="webhook is off after UsageError") as told:
        train(Monitor(tmp_path / "exp2"))
    assert len(told) == 1
    assert "s3cr3t" not in str(told[0].message)


@pytest.mark.parametrize(
    ("answers", "tries", "why"),
    [
        ([404], 1, "answered 404"),
        ([(404, None, b"no_service\n")], 1, r"answered 404 \(no_service\)"),
        ([(400, None, b"<b>no</b>")], 1, "answered 400;"),
        ([(429, "3600", b"")], 1, "answered 429 and asks to wait 3600 seconds"),
        ([302], 1, "answered 302, a redirect, which is not followed"),
        ([500, 500, 500], 3, "answered 500"),
        (["close"] * 3, 3, "cannot be reached: RemoteDisconnected"),
        (["garbage"] * 3, 3, "cannot be reached: BadStatusLine"),
        (["hang"] * 9, 1, "(cannot be reached: TimeoutError|did not take all messages)"),
    ],
)
def test_a_server_that_fails_costs_one_warning_and_no_time(answers, tries, why, server):
    truth = train(Monitor())
    server.answers = list(answers)
    monitor = Monitor(sinks={"webhook": webhook(server.url, seconds=0.2 if answers[0] == "hang" else 10)})
    with pytest.warns(MonitorWarning, match=rf"webhook is off after WebhookError: 127.0.0.1 .*{why}") as told:
        assert train(monitor) == truth
    assert len(told) == 1
    assert server.tries >= tries
    assert "s3cr3t" not in str(told[0].message)


@pytest.mark.parametrize("answers", [[500], [503, 429], ["close"], ["hang"]])
def test_a_passing_fault_is_tried_again(answers, server):
    server.answers = list(answers)
    hook = webhook(server.url, seconds=1.0 if answers == ["hang"] else 10)
    hook.send({"text": "a"})
    hook.send({"text": "b"})
    for _ in range(6000):
        if len(server.received) == 2:
            break
        time.sleep(0.01)
    hook.close()
    assert [each["text"] for each in server.received] == ["a", "b"]
    assert server.tries == len(answers) + 2


@pytest.mark.parametrize(
    ("header", "pause"), [("7", 7.0), ("0", 0.01), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.01), ("-1", 0.01), ("x", 0.01)]
)
def test_a_server_that_asks_to_wait_is_waited_for(header, pause, server, monkeypatch):
    pauses = []
    monkeypatch.setattr("overfit_monitor.webhook.sleep", pauses.append)
    server.answers = [(429, header, b"")]
    hook = webhook(server.url)
    hook.send({"text": "a"})
    hook.close()
    assert pauses == [pause]
    assert (server.tries, len(server.received)) == (2, 1)


def test_training_does_not_wait_where_the_server_asks_to(server):
    server.answers = [(429, "59", b"")] * 9
    hook = webhook(server.url, seconds=0.2)
    hook.send({"text": "a"})
    with pytest.raises(WebhookError, match="did not take all messages within"):
        hook.close()


def test_nothing_waits_for_a_server_that_hangs(server):
    server.answers = ["hang"] * 9
    hook = webhook(server.url, seconds=0.3)
    begun = threading.Event()
    threading.Timer(5, begun.set).start()
    for _ in range(50):
        hook.send({"text": "x"})
    assert not begun.is_set()
    with pytest.raises(WebhookError, match=r"127.0.0.1 (did not take all messages within|cannot be)"):
        hook.close()
    hook.close()


def test_a_queue_that_is_full_is_told(server):
    server.answers = ["hang"] * 9
    hook = webhook(server.url, seconds=0.1)
    with pytest.raises(WebhookError, match=r"127.0.0.1 does not keep up: 100 messages wait"):
        for _ in range(102):
            hook.send({"text": "x"})
    with pytest.raises(WebhookError):
        hook.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.slack.com/x",
        "ftp://h/x",
        "file:///etc/passwd",
        "https://",
        "http://h:port/x",
        "http://h/a b",
        "http://[x/",
    ],
)
def test_what_is_no_address(url):
    with pytest.raises(UsageError, match=r"^webhook must be an address that begins with https:// or http:// \(it is"):
        webhook(url)


def test_the_address_is_shown_nowhere():
    hook = webhook(f"https://user:pass@hooks.example.com{SECRET}")
    assert repr(hook) == "Webhook(hooks.example.com)"
    with pytest.raises(WebhookError) as error:
        Webhook(f"http://127.0.0.1:9{SECRET}")._post_once(b"{}")
    assert "s3cr3t" not in str(error.value)


def test_messages_are_bounded_and_escaped():
    diagnosis = train(Monitor()).model_copy(update={"run": "<!channel> a&b\x1b[31m" + "&" * 5000})
    sent = message("alarm", diagnosis, "<@U1> " * 5000)
    texts = [sent["text"], *(block["text"]["text"] for block in sent["blocks"][:2])]
    for text in texts:
        assert len(text) <= LONGEST + 4
        assert "<" not in text
        assert not text.rstrip(" .").endswith(("&", "&a", "&am", "&amp", "&l", "&lt"))
        assert "\x1b" not in text
    assert json.loads(json.dumps(sent)) == sent
    objects = [sent["blocks"][0]["text"], sent["blocks"][1]["text"], *sent["blocks"][2]["elements"]]
    assert all(1 <= len(each["text"]) <= 3000 and each["verbatim"] for each in objects)
    assert len(sent["text"]) <= 40_000
    assert message("alarm", diagnosis, "")["blocks"][1]["text"]["text"] == "alarm"


def test_a_program_that_does_not_close_its_monitor_sends_the_last_message(server):
    code = f"""
from overfit_monitor import Monitor
from overfit_monitor.webhook import webhook
from overfit_monitor.testing import curves
curve = curves.overfit(60)
monitor = Monitor(sinks={{"webhook": webhook({server.url!r})}})
for step in range(60):
    monitor.log(step=step, val={{"loss": curve.val[step]}})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [each["event"] for each in server.received] == ["alert", "stop"]
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_forked_process_sends_nothing(server):
    hook = webhook(server.url)
    hook.send({"text": "parent"})
    child = os.fork()
    if child == 0:
        hook.send({"text": "child"})
        hook.close()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    hook.close()
    assert [each["text"] for each in server.received] == ["parent"]


def test_watch_sends_too_and_tells_what_was_not_taken(server, tmp_path, capsys):
    log = tmp_path / "log.csv"
    text = "".join(f"{step},{CURVE.train[step]},{CURVE.val[step]}\n" for step in range(60))
    log.write_text("epoch,train_loss,val_loss\n" + text, encoding="utf-8")
    assert main(["watch", str(log), "--until", "alarm", "--webhook", server.url]) == 1
    assert [(each["event"], each["run"]) for each in server.received] == [("alarm", "log"), ("stop", "log")]
    server.answers = [404, 404]
    assert main(["watch", str(log), "--idle", "0.5", "--webhook", server.url]) == 1
    err = capsys.readouterr().err
    assert "--webhook: 127.0.0.1 answered 404" in err
    assert "s3cr3t" not in err


def test_messages_keep_their_order(server):
    hook = webhook(server.url)
    for number in range(20):
        hook.send({"text": str(number)})
    hook.close()
    assert [each["text"] for each in server.received] == [str(number) for number in range(20)]
