"""The demo's engine: one model, many clients, and what waits for the same work is computed at once."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

import pytest
import torch
from torch import Tensor

from glowflow import Glow, GlowConfig
from glowflow.demo import engine as engines
from glowflow.demo.engine import BusyError, Engine
from glowflow.evaluate import bits_of
from glowflow.images import quantize
from glowflow.latents import look
from tests.helpers import randomize

SHAPE = (3, 16, 12)
D = 3 * 16 * 12


def tiny(num_classes: int = 0) -> Glow:
    torch.manual_seed(0)
    config = GlowConfig(SHAPE, steps=2, width=8, num_bits=5, num_classes=num_classes)
    return randomize(Glow(config), 0.1).freeze()


@pytest.fixture(scope="module", name="glow")
def _glow() -> Glow:
    return tiny()


def noise(count: int) -> Tensor:
    return torch.randint(256, (count, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def in_a_loop(glow: Glow, use: Callable[[Engine], Awaitable[None]]) -> None:
    async def run() -> None:
        engine = Engine(glow)
        try:
            await use(engine)
        finally:
            engine.close()

    asyncio.run(run())


def test_batches_give_what_single_requests_give(glow: Glow, monkeypatch: pytest.MonkeyPatch) -> None:
    z = torch.randn(40, D, generator=torch.Generator().manual_seed(0))
    sizes: list[int] = []
    decode = Glow.decode

    def noted(glow: Glow, z: Tensor, y: Tensor | None, *, exact: bool = True) -> Tensor:
        sizes.append(len(z))
        return decode(glow, z, y, exact=exact)

    monkeypatch.setattr(Glow, "decode", noted)

    async def use(engine: Engine) -> None:
        alone = [await engine.decode(row.double()) for row in z]
        quick = [await engine.preview(row) for row in z]
        sizes.clear()
        works = [engine.decode(row.double()) for row in z] + [engine.preview(row) for row in z]
        together = await asyncio.gather(*works)
        assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=False))
        assert (torch.stack(quick) == torch.stack(together[40:])).double().mean() > 0.999
        assert max(sizes) == engines.LARGEST_BATCH
        assert len(sizes) < 12

    in_a_loop(glow, use)


def test_encodings_do_not_depend_on_their_batch(glow: Glow) -> None:
    images = noise(10)

    async def use(engine: Engine) -> None:
        alone = [await engine.encode(image) for image in images]
        together = await asyncio.gather(*(engine.encode(image) for image in images))
        for one, other in zip(alone, together, strict=True):
            torch.testing.assert_close(one.z, other.z, rtol=0, atol=1e-10)
            assert one.bits_per_dim == pytest.approx(other.bits_per_dim, rel=1e-6)
            assert other.is_exact

    in_a_loop(glow, use)


def test_nothing_is_computed_for_those_who_left(glow: Glow, monkeypatch: pytest.MonkeyPatch) -> None:
    computed = []

    def decode(_: Glow, z: Tensor, _y: Tensor | None, *, exact: bool = True) -> Tensor:
        computed.append(len(z))
        return z

    monkeypatch.setattr(Glow, "decode", decode)

    async def use(engine: Engine) -> None:
        waiting = [asyncio.create_task(engine.preview(torch.zeros(D))) for _ in range(5)]
        await asyncio.sleep(0)
        waiting[3].cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert sum(computed) == 4

    in_a_loop(glow, use)


def test_a_failure_reaches_those_who_asked_and_nobody_else(glow: Glow, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = Glow.decode

    def fail(glow: Glow, z: Tensor, y: Tensor | None, *, exact: bool = True) -> Tensor:
        if not exact:
            raise MemoryError
        return decode(glow, z, y)

    monkeypatch.setattr(Glow, "decode", fail)

    async def use(engine: Engine) -> None:
        works = [engine.preview(torch.zeros(D)), engine.decode(torch.zeros(D)), engine.preview(torch.zeros(D))]
        results = await asyncio.gather(*works, return_exceptions=True)
        assert [isinstance(result, MemoryError) for result in results] == [True, False, True]
        assert (await engine.decode(torch.zeros(D))).shape == SHAPE

    in_a_loop(glow, use)


def test_too_many_are_turned_away(glow: Glow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "MOST_WAITING", 3)

    async def use(engine: Engine) -> None:
        works = [engine.preview(torch.zeros(D)) for _ in range(10)]
        results = await asyncio.gather(*works, return_exceptions=True)
        assert sum(isinstance(result, BusyError) for result in results) == 7

    in_a_loop(glow, use)


@pytest.fixture(name="batches")
def _batches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, list[int]]]:
    """What is decoded instead of by the model: whether exactly, and the first numbers of the rows."""
    found: list[tuple[bool, list[int]]] = []

    def decode(_: Glow, z: Tensor, _y: Tensor | None = None, *, exact: bool = True) -> Tensor:
        found.append((exact, z[:, 0].int().tolist()))
        return z

    monkeypatch.setattr(Glow, "decode", decode)
    return found


def row(number: int) -> Tensor:
    return torch.full((D,), float(number))


def test_who_waits_longest_is_next_with_the_others_for_the_same_work(
    glow: Glow, batches: list[tuple[bool, list[int]]]
) -> None:
    async def use(engine: Engine) -> None:
        works = [engine.preview(row(0)), engine.decode(row(1)), *(engine.preview(row(n)) for n in range(2, 9))]
        answers = await asyncio.gather(*works, engine.decode(row(9)))
        assert [int(answer[0]) for answer in answers] == list(range(10))

    in_a_loop(glow, use)
    assert batches == [(False, [0, 2, 3, 4, 5, 6, 7, 8]), (True, [1, 9])]


def test_judgements_come_last(glow: Glow) -> None:
    image, order = noise(1)[0], []

    async def noted(name: str, work: Awaitable[object]) -> None:
        await work
        order.append(name)

    async def use(engine: Engine) -> None:
        await asyncio.gather(
            noted("first", engine.preview(row(0))),
            noted("judged", engine.judge(image)),
            noted("judged", engine.judge(image)),
            noted("encoded", engine.encode(image)),
            noted("drawn", engine.preview(row(1))),
        )

    in_a_loop(glow, use)
    assert order == ["first", "drawn", "encoded", "judged", "judged"]


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (2, [2]), (3, [2, 1]), (7, [4, 2, 1]), (21, [16, 4, 1])])
def test_batches_have_few_sizes(
    glow: Glow, batches: list[tuple[bool, list[int]]], count: int, sizes: list[int]
) -> None:
    async def use(engine: Engine) -> None:
        await asyncio.gather(*(engine.preview(row(number)) for number in range(count)))

    in_a_loop(glow, use)
    assert [len(rows) for _, rows in batches] == sizes


def test_a_large_model_has_small_batches(
    glow: Glow, batches: list[tuple[bool, list[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "batch_size", lambda _: 2)

    async def use(engine: Engine) -> None:
        await asyncio.gather(*(engine.preview(row(number)) for number in range(5)))

    in_a_loop(glow, use)
    assert [rows for _, rows in batches] == [[0, 1], [2, 3], [4]]


def test_what_comes_while_the_model_works_waits_for_it(
    glow: Glow, batches: list[tuple[bool, list[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread runs the model, and the event loop goes on meanwhile."""
    threads: set[str] = set()
    decode = Glow.decode

    def slow(*arguments: object, **options: object) -> object:
        threads.add(threading.current_thread().name)
        time.sleep(0.2)
        return decode(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Glow, "decode", slow)

    async def use(engine: Engine) -> None:
        first = asyncio.create_task(engine.preview(row(0)))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(engine.preview(row(number))) for number in (1, 2)]
        await asyncio.gather(first, *others)

    in_a_loop(glow, use)
    assert [rows for _, rows in batches] == [[0], [1, 2]]
    assert len(threads) == 1
    assert threads != {threading.main_thread().name}


def test_who_leaves_while_the_model_works_costs_the_others_nothing(
    glow: Glow, batches: list[tuple[bool, list[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = Glow.decode

    def slow(*arguments: object, **options: object) -> object:
        time.sleep(0.1)
        return decode(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Glow, "decode", slow)

    async def use(engine: Engine) -> None:
        waiting = [asyncio.create_task(engine.preview(row(number))) for number in range(2)]
        await asyncio.sleep(0.05)
        waiting[0].cancel()
        assert int((await waiting[1])[0]) == 1
        assert int((await engine.preview(row(5)))[0]) == 5

    in_a_loop(glow, use)
    assert [rows for _, rows in batches] == [[0, 1], [5]]


def test_a_label_belongs_to_its_row() -> None:
    glow, z = tiny(num_classes=3), torch.randn(3, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([2, 0, 1])
    expected = glow.decode(z, labels)
    assert not torch.equal(expected, glow.decode(z, labels.flip(0)))

    async def use(engine: Engine) -> None:
        found = await asyncio.gather(*(engine.decode(row, int(y)) for row, y in zip(z, labels, strict=True)))
        assert torch.equal(torch.stack(found), expected)

    in_a_loop(glow, use)


def test_an_encoding_is_what_the_commands_give(glow: Glow, monkeypatch: pytest.MonkeyPatch) -> None:
    images = noise(2)
    z, bits, seen, looks = glow.encode(images), bits_of(glow, images), quantize(images, 5), look(glow, images)
    decode = Glow.decode

    def wrong_once(model: Glow, z: Tensor, y: Tensor | None, *, exact: bool = True) -> Tensor:
        pictures = decode(model, z, y, exact=exact)
        pictures[1, 0, 0, 0] += 8
        return pictures

    async def use(engine: Engine) -> None:
        for image, latents, number, picture, looked in zip(images, z, bits, seen, looks, strict=True):
            found = await engine.encode(image)
            torch.testing.assert_close(found.z, latents, rtol=0, atol=1e-10)
            assert found.bits_per_dim == pytest.approx(float(number))
            assert torch.equal(found.image, picture)
            assert found.is_exact
            assert await engine.look(image) == looked
        with monkeypatch.context() as patch:
            patch.setattr(Glow, "decode", wrong_once)
            assert [each.is_exact for each in await asyncio.gather(*map(engine.encode, images))] == [True, False]

    in_a_loop(glow, use)


def test_as_many_as_are_allowed_may_wait_and_later_others(
    glow: Glow, batches: list[tuple[bool, list[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "MOST_WAITING", 3)

    async def use(engine: Engine) -> None:
        await asyncio.gather(*(engine.preview(row(number)) for number in range(3)))
        await asyncio.gather(*(engine.preview(row(number)) for number in range(3)))

    in_a_loop(glow, use)
    assert sum(len(rows) for _, rows in batches) == 6


@pytest.mark.parametrize("num_classes", [0, 3])
def test_warming_up_measures_a_picture(monkeypatch: pytest.MonkeyPatch, num_classes: int) -> None:
    glow, decode, exactly = tiny(num_classes), Glow.decode, []

    def slow(model: Glow, z: Tensor, y: Tensor | None, *, exact: bool = True) -> Tensor:
        exactly.append(exact)
        time.sleep(0.3)
        return decode(model, z, y, exact=exact)

    monkeypatch.setattr(Glow, "decode", slow)
    engine = Engine(glow)
    assert engine.seconds_per_picture == 0
    engine.warm_up()
    engine.close()
    assert exactly == [True, False]  # an image to and fro, then the picture whose time counts
    assert 0.3 <= engine.seconds_per_picture < 20


def test_a_closed_engine_computes_nothing_more(glow: Glow, batches: list[tuple[bool, list[int]]]) -> None:
    async def use(engine: Engine) -> None:
        engine.close()
        with pytest.raises(RuntimeError, match="shutdown"):
            await engine.preview(row(0))

    in_a_loop(glow, use)
    assert not batches
