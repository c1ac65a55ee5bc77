"""A camera on this machine: an RTSP server that sends a moving square as H.264 over RTP, by UDP alone, as VLC does.

https://www.rfc-editor.org/rfc/rfc2326
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator

import av
import numpy as np

RATE, WIDTH, HEIGHT = 25, 160, 120
SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track\r\n"
)


@contextlib.contextmanager
def camera(seconds: float) -> Iterator[tuple[str, list[str]]]:
    """Its address, and the transports that it was asked for; it sends for so many seconds."""
    listening = socket.create_server(("127.0.0.1", 0))
    asked: list[str] = []
    threading.Thread(target=_serve, args=(listening, asked, seconds), daemon=True).start()
    yield f"rtsp://127.0.0.1:{listening.getsockname()[1]}/camera", asked
    listening.close()


def _serve(listening: socket.socket, asked: list[str], seconds: float) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=_answer, args=(connection, asked, seconds), daemon=True).start()


def _answer(connection: socket.socket, asked: list[str], seconds: float) -> None:
    port = 0
    with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
        while lines := _request(stream):
            method, number = lines[0].split()[0], re.search(r"(?m)^CSeq: *(\d+)", "\n".join(lines))[1]
            status, headers, body = "200 OK", {"Session": "1"}, ""
            if method == "DESCRIBE":
                headers, body = {"Content-Type": "application/sdp"}, SDP
            elif method == "SETUP":
                transport = next(line for line in lines if line.startswith("Transport:")).partition(": ")[2]
                asked.append(transport)
                if "TCP" in transport:
                    status = "461 Unsupported transport"
                else:
                    port = int(re.search(r"client_port=(\d+)", transport)[1])
                    headers["Transport"] = f"{transport};server_port=6970-6971"
            elif method == "PLAY":
                threading.Thread(target=_send, args=(port, seconds), daemon=True).start()
            headers |= {"CSeq": number, "Content-Length": str(len(body))}
            words = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
            connection.sendall(f"RTSP/1.0 {status}\r\n{words}\r\n{body}".encode())


def _request(stream) -> list[str]:
    lines = []
    while (line := stream.readline().decode().strip()) or (lines == [] and line):
        lines.append(line)
    return lines


def _send(port: int, seconds: float) -> None:
    with av.open(f"rtp://127.0.0.1:{port}?pkt_size=1200", "w", format="rtp") as container:
        options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "repeat-headers=1:keyint=10:annexb=1"}
        stream = container.add_stream("libx264", RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(round(seconds * RATE)):
            pixels = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
            pixels[40:80, number % 120 : number % 120 + 40] = (220, 40, 40)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            time.sleep(1 / RATE)
