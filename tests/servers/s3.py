"""An S3 server of moto, in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyarrow import fs as pafs

BUCKET = "bots"
# The server takes any; pyarrow asks for some.
KEYS = {
    "AWS_ACCESS_KEY_ID": "operator",
    "AWS_SECRET_ACCESS_KEY": "a word",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass
class S3:
    """The running server; `process` can be stopped and continued."""

    port: int
    process: subprocess.Popen[bytes]

    def url(self, folder: str = "lake", bucket: str = BUCKET) -> str:
        """The storage URL of a folder in a bucket."""
        return (
            f"s3://{bucket}/{folder}?endpoint_override=127.0.0.1:{self.port}"
            "&scheme=http&region=us-east-1"
        )


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(port: int, seconds: float = 60) -> None:
    """Wait until somebody listens on the port."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


@contextmanager
def running_s3() -> Iterator[S3]:
    """The server with one empty bucket; `KEYS` must be in the environment."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **KEYS}
    ) as process:
        try:
            wait_for(port)
            maker = pafs.S3FileSystem(
                access_key=KEYS["AWS_ACCESS_KEY_ID"],
                secret_key=KEYS["AWS_SECRET_ACCESS_KEY"],
                endpoint_override=f"http://127.0.0.1:{port}",
                region="us-east-1",
                allow_bucket_creation=True,
            )
            maker.create_dir(BUCKET)
            yield S3(port, process)
        finally:
            process.kill()
