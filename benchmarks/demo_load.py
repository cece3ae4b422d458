"""Does the demo's server withstand load and malformed requests?

`clients`: many clients send one request after another for a while. Of ten requests, seven are pictures of latents as
while a slider is dragged, one is an exact picture, one an image to encode and one a random latent. `malformed`:
requests that no browser sends (`hostile.py`), a few at a time. Recorded are status codes, latencies, and the server's
memory at eleven moments.

    python -m benchmarks.demo_load clients faces results/demo/demo-load.jsonl
    python -m benchmarks.demo_load malformed faces results/demo/demo-load.jsonl
"""

import argparse
import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from io import BytesIO
from pathlib import Path

import httpx2
import numpy as np
from PIL import Image

from benchmarks import hostile
from benchmarks.demo_server import resident_megabytes, started
from benchmarks.lines import Line, complete

AT_A_TIME = 8
BINARY = {"Content-Type": "application/octet-stream"}
PNG = {"Content-Type": "image/png"}

Send = Callable[[httpx2.AsyncClient], Awaitable[int]]


def clients(model: str, clients: int, seconds: float) -> Line:
    """Measure some clients for some seconds."""
    with started(model) as (address, process, _):
        num_dims = _num_dims(address)
        return asyncio.run(_clients(address, process, num_dims, clients, seconds))


async def _clients(address: str, process: int, num_dims: int, count: int, seconds: float) -> Line:
    taken: dict[str, list[float]] = {"preview": [], "exact": [], "encode": [], "latent": []}
    statuses: Counter[str] = Counter()
    began = time.monotonic()

    async def visit(number: int) -> None:
        rng = random.Random(number)
        async with httpx2.AsyncClient(base_url=address, timeout=60) as client:
            while time.monotonic() < began + seconds:
                kind = rng.choice(["preview"] * 7 + ["exact", "encode", "latent"])
                start = time.monotonic()
                statuses[await _status(client, kind, rng, num_dims)] += 1
                taken[kind].append(1000 * (time.monotonic() - start))

    async def watch() -> list[float]:
        noted = []
        for _ in range(11):
            noted.append(round(resident_megabytes(process), 1))
            await asyncio.sleep(seconds / 10.5)
        return noted

    resident, *_ = await asyncio.gather(watch(), *(visit(number) for number in range(count)))
    latencies = {kind: _quantiles(values) for kind, values in taken.items()}
    return {"statuses": dict(statuses), "latency_ms": latencies, "resident_mb": resident}


async def _status(client: httpx2.AsyncClient, kind: str, rng: random.Random, num_dims: int) -> str:
    z = np.random.default_rng(rng.getrandbits(32)).normal(0, 0.7, num_dims)
    if kind == "latent":
        answer = await client.get(f"/api/latent?seed={rng.getrandbits(31)}")
    elif kind == "encode":
        answer = await client.post("/api/encode", content=_image(rng), headers=PNG)
    else:
        answer = await client.post(
            "/api/decode", content=z.astype("<f4" if kind == "preview" else "<f8").tobytes(), headers=BINARY
        )
    return str(answer.status_code)


def _image(rng: random.Random) -> bytes:
    """A smooth image of 128x128 pixels."""
    small = np.frombuffer(rng.randbytes(4 * 4 * 3), np.uint8).reshape(4, 4, 3)
    file = BytesIO()
    Image.fromarray(small).resize((128, 128), Image.Resampling.BICUBIC).save(file, "png")
    return file.getvalue()


def malformed(model: str, requests: int, seed: int) -> Line:
    """Measure some malformed requests."""
    with started(model) as (address, process, _):
        num_dims = _num_dims(address)
        return asyncio.run(_malformed(address, process, num_dims, requests, seed))


async def _malformed(address: str, process: int, num_dims: int, count: int, seed: int) -> Line:
    rng, statuses, resident = random.Random(seed), Counter[str](), []
    began = time.monotonic()
    async with httpx2.AsyncClient(base_url=address, timeout=60) as client:
        for start in range(0, count, AT_A_TIME):
            if start % (count // 10) < AT_A_TIME:
                resident.append(round(resident_megabytes(process), 1))
            batch = [hostile.request(rng, num_dims) for _ in range(min(AT_A_TIME, count - start))]
            statuses.update(await asyncio.gather(*(_sent(client, request) for request in batch)))
        resident.append(round(resident_megabytes(process), 1))
        alive = (await client.get("/healthz")).status_code
    seconds = round(time.monotonic() - began, 1)
    return {"statuses": dict(sorted(statuses.items())), "resident_mb": resident, "alive": alive, "seconds": seconds}


async def _sent(client: httpx2.AsyncClient, request: hostile.Request) -> str:
    """The status; "unsent" if the client's library refuses to send, "closed" if the server closes the connection."""
    try:
        answer = await client.request(request.method, request.path, headers=request.headers, content=request.body)
    except (httpx2.InvalidURL, httpx2.LocalProtocolError, UnicodeError):
        return "unsent"
    except (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError):
        return "closed"
    return str(answer.status_code)


def _num_dims(address: str) -> int:
    return int(np.prod(httpx2.get(f"{address}/api/model").json()["image_shape"]))


def _quantiles(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    return {name: round(float(np.quantile(values, q)), 1) for name, q in {"50%": 0.5, "95%": 0.95, "99%": 0.99}.items()}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["clients", "malformed"])
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--requests", type=int, default=10_000)
    options = parser.parse_args()
    wanted: Line = {"model": options.model}
    if options.what == "clients":
        wanted |= {"clients": options.clients, "seconds": options.seconds}
    else:
        wanted |= {"requests": options.requests, "seed": 0}
    measure = {"clients": clients, "malformed": malformed}[options.what]
    for line in complete(options.out, measure, [wanted]):
        print(line)


if __name__ == "__main__":
    main()
