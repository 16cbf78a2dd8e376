"""What may answer in the place of AWS."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from boto3.session import Session
from botocore.config import Config

RUBBISH = {
    "half a JSON": (200, '{"ARN":"a","SecretString":"KEY'),
    "no JSON": (200, "<html>KEY</html>"),
    "an empty object": (200, "{}"),
    "a list": (200, '["KEY"]'),
    "other types": (200, '{"ARN":7,"VersionIdsToStages":["KEY"]}'),
    "nothing": (200, ""),
    "a proxy's page": (502, "<html>KEY</html>"),
    "a refusal that is no JSON": (400, "KEY"),
    "a refusal of an odd type": (400, '{"__type":"KEY","Message":"KEY"}'),
    "a byte now and then": (200, "slow"),
}


class RubbishService:
    def __init__(self, kind: str, secret: str) -> None:
        status, body = RUBBISH[kind]
        payload = body.replace("KEY", secret)
        ended = self._ended = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.send_response(status)
                self.send_header("content-length", str(10_000 if payload == "slow" else len(payload)))
                self.end_headers()
                if payload != "slow":
                    self.wfile.write(payload.encode())
                while payload == "slow" and not ended.is_set():
                    try:
                        self.wfile.write(b" ")
                    except OSError:
                        return
                    time.sleep(0.1)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.client = Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1").client(
            "secretsmanager",
            endpoint_url=f"http://127.0.0.1:{self._server.server_port}",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def __enter__(self) -> "RubbishService":
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self.client.close()
        self._server.shutdown()
        self._server.server_close()
