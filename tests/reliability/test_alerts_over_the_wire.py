import hashlib
import hmac
import http.server
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default as modern
from pathlib import Path

import pytest

from pipelines.operations import alert_channels
from pipelines.operations.alert_channels import Mail, Webhook
from pipelines.operations.alerting import AlertSettings, run_message, send

pytestmark = pytest.mark.slow

MESSAGE = run_message("failure", "nightly", "2026-01-31", "run-1", ["purchases: column amount is missing"])


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(alert_channels, "FIRST_PAUSE", 0.01)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def web(answer):
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, dict(self.headers), body))
            answer(self, len(asked))

        def do_GET(self):
            asked.append((self.path, dict(self.headers), b""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook/T0KEN", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def status(code, body=b"", **headers):
    def answer(handler, _):
        handler.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def sent(*channels, seconds=10.0):
    return send(AlertSettings(channels, seconds=seconds), MESSAGE)


def test_a_receiver_that_fails_twice_gets_the_alert_the_third_time():
    with web(lambda handler, count: status(503 if count < 3 else 200)(handler, count)) as (url, asked):
        assert sent(Webhook(url)) == []
    assert len(asked) == 3
    assert len({headers["X-Trust-Alert-Id"] for _, headers, _ in asked}) == 1
    assert "The night of 2026-01-31 failed" in json.loads(asked[-1][2])["text"]


def test_a_signature_proves_body_and_time():
    with web(status(200)) as (url, asked):
        assert sent(Webhook(url, "s3cret")) == []
    _, headers, body = asked[0]
    expected = hmac.new(b"s3cret", headers["X-Trust-Timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-Trust-Signature"] == f"sha256={expected}"
    assert b"s3cret" not in body


def test_without_a_secret_there_is_no_signature():
    with web(status(200)) as (url, asked):
        assert sent(Webhook(url)) == []
    assert "X-Trust-Signature" not in asked[0][1]


def test_a_redirect_to_another_host_is_not_followed():
    with web(status(200)) as (other, asked_other):
        for code in (301, 302, 303, 307, 308):
            with web(status(code, Location=other)) as (url, asked):
                (warning,) = sent(Webhook(url))
            assert warning.endswith("redirects to another address, which is not followed")
            assert len(asked) == 1
    assert asked_other == []


@pytest.mark.parametrize("code", [400, 401, 404, 410])
def test_a_refusal_is_not_tried_again(code):
    with web(status(code, b"go away T0KEN")) as (url, asked):
        assert sent(Webhook(url)) == [f"alert not sent: webhook at 127.0.0.1 answered with HTTP {code}"]
    assert len(asked) == 1


def test_a_receiver_that_never_answers_holds_nobody_up_for_longer_than_agreed():
    gone = threading.Event()
    with web(lambda *_: gone.wait(60)) as (url, _):
        assert sent(Webhook(url), seconds=1.0) == ["alert not sent: webhook at 127.0.0.1 did not answer in time"]
        gone.set()


def test_a_receiver_that_drips_bytes_holds_nobody_up_for_longer_than_agreed():
    gone = threading.Event()

    def drip(handler, _):
        try:
            while not gone.wait(0.05):
                handler.wfile.write(b"H")
                handler.wfile.flush()
        except OSError:
            pass

    with web(drip) as (url, _):
        assert sent(Webhook(url), seconds=1.0) == ["alert not sent: webhook at 127.0.0.1 did not answer in time"]
        gone.set()


def test_nobody_there_is_one_line_without_the_address():
    (warning,) = sent(Webhook(f"http://127.0.0.1:{free_port()}/T0KEN"), seconds=0.5)
    assert warning == "alert not sent: webhook at 127.0.0.1 refused the connection"


@pytest.mark.parametrize("garbage", [b"", b"\x00" * 100, b"HTTP/9.9 what\r\n\r\n", b"220 smtp.example.com\r\n"])
def test_a_receiver_that_speaks_no_http_is_one_line(garbage):
    def answer(handler, _):
        handler.wfile.write(garbage)

    with web(answer) as (url, _):
        (warning,) = sent(Webhook(url), seconds=0.5)
    assert warning.startswith("alert not sent: webhook at 127.0.0.1 ")
    assert "T0KEN" not in warning


@pytest.mark.parametrize("shape", ["wecom", "dingtalk", "feishu"])
def test_a_receiver_that_refuses_with_200_is_noticed(shape):
    with web(status(200, json.dumps({"errcode" if shape != "feishu" else "code": 310000}).encode())) as (url, _):
        (warning,) = sent(Webhook(url, shape=shape))
    assert warning.endswith("refused the message (code 310000)")
    with web(status(200, json.dumps({"errcode" if shape != "feishu" else "code": 0}).encode())) as (url, _):
        assert sent(Webhook(url, shape=shape)) == []


def test_no_secret_reaches_the_terminal_or_a_log(caplog, capfd):
    with caplog.at_level("DEBUG"), web(status(500)) as (url, _):
        warnings = sent(Webhook(url, "s3cret"), seconds=0.3)
    out = "".join((*warnings, caplog.text, *capfd.readouterr()))
    assert "T0KEN" not in out
    assert "s3cret" not in out


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder


@pytest.mark.parametrize(
    ("delivered", "kind", "text"),
    [
        (None, "failure", "there is no landing folder"),
        ("order_id;customer_id\n", "check", "columns are separated by semicolons"),
    ],
)
def test_a_night_that_fails_tells_once_and_logs_json_alone(tmp_path, delivered, kind, text):
    landing, home = tmp_path / "landing", tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(
        f"telemetry: {{enabled: false}}\nstorage: {{sqlite: {{base_dir: {home}/storage}}}}"
    )
    if delivered is not None:
        (landing / "purchases").mkdir(parents=True)
        (landing / "purchases" / "2024-01-02.csv").write_text(delivered)
    command = [Path(sys.executable).with_name("trust"), "run", "--landing", landing, "--warehouse", tmp_path / "w"]
    with web(status(200)) as (url, asked):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("TRUST_", "DAGSTER_"))}
        environment |= {"DAGSTER_HOME": str(home), "TRUST_ALERT_WEBHOOK": url, "TRUST_LOG": "json"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert (lines[-1]["event"], lines[-1]["exit_code"]) == ("end", 1)
    assert any(text in line.get("text", "") for line in lines if line["event"] == "error")
    ((_, _, body),) = asked
    told = json.loads(body)
    assert told["kind"] == kind
    assert text in told["text"]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.fixture
def mail_server(certificate, monkeypatch):
    controller = pytest.importorskip("aiosmtpd.controller", reason="aiosmtpd is not installed")
    from aiosmtpd.smtp import AuthResult, LoginPassword

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")

    def judge(server, session, envelope, mechanism, given):
        is_good = isinstance(given, LoginPassword) and (given.login, given.password) == (b"user", b"pass word")
        return AuthResult(success=is_good, handled=is_good)

    class Inbox:
        def __init__(self, troubles=()):
            self.troubles = list(troubles)
            self.mails = []

        async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 # aiosmtpd's name
            if address.startswith("unknown"):
                return "550 no such user"
            envelope.rcpt_tos.append(address)
            return "250 OK"

        async def handle_DATA(self, server, session, envelope):  # noqa: N802 # aiosmtpd's name
            if self.troubles:
                return self.troubles.pop(0)
            self.mails.append((envelope, session.ssl is not None, session.authenticated))
            return "250 OK"

    started = []

    def start(*, has_tls=True, **kwargs):
        inbox = Inbox(kwargs.pop("troubles", ()))
        tls = {"tls_context": context, "require_starttls": True} if has_tls else {}
        login = {"authenticator": judge, "auth_required": has_tls}
        server = controller.Controller(inbox, hostname="localhost", port=free_port(), **tls, **login)
        server.start()
        started.append(server)
        return server.port, inbox

    yield start
    for server in started:
        server.stop()


def mail(port, scheme="smtp", user="user@", password="pass word", recipients=("a@example.com",)):
    return Mail(f"{scheme}://{user}localhost:{port}", password, "nights@example.com", recipients)


def test_a_mail_arrives_encrypted_and_after_a_login(mail_server):
    port, inbox = mail_server()
    assert sent(mail(port, recipients=("a@example.com", "b@example.com"))) == []
    ((envelope, is_encrypted, is_authenticated),) = inbox.mails
    assert is_encrypted
    assert is_authenticated
    assert envelope.rcpt_tos == ["a@example.com", "b@example.com"]
    told = message_from_bytes(envelope.content, policy=modern)
    assert told["Subject"].startswith("[indirect trust] The night of 2026-01-31 failed")
    assert "夜间运行失败" in told.get_content()


def test_a_mail_server_that_is_busy_gets_the_mail_later(mail_server):
    port, inbox = mail_server(troubles=["451 try again later", "451 try again later"])
    assert sent(mail(port)) == []
    assert len(inbox.mails) == 1


def test_a_wrong_password_is_one_line_without_it(mail_server):
    port, inbox = mail_server()
    (warning,) = sent(mail(port, password="wr0ng"))
    assert warning == "alert not sent: mail through localhost refused the login (SMTP 535)"
    assert inbox.mails == []


def test_nothing_is_sent_in_the_clear_where_encryption_was_asked_for(mail_server):
    port, inbox = mail_server(has_tls=False)
    (warning,) = sent(mail(port))
    assert warning == "alert not sent: mail through localhost offers no STARTTLS or no login"
    assert inbox.mails == []


def test_a_certificate_that_nobody_vouches_for_is_refused(mail_server, monkeypatch):
    port, inbox = mail_server()
    monkeypatch.delenv("SSL_CERT_FILE")
    (warning,) = sent(mail(port))
    assert warning == "alert not sent: mail through localhost shows a certificate that is not trusted"
    assert inbox.mails == []


def test_a_relay_on_this_machine_takes_a_mail_without_login(mail_server):
    port, inbox = mail_server(has_tls=False)
    assert sent(mail(port, "smtp+plain", user="", password=None)) == []
    assert len(inbox.mails) == 1


def test_a_recipient_that_is_unknown_is_told_of(mail_server):
    port, inbox = mail_server()
    (warning,) = sent(mail(port, recipients=("a@example.com", "unknown@example.com")))
    assert warning.endswith("refused 1 of 2 recipients")
    assert len(inbox.mails) == 1
