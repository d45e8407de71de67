"""Mini-batches: who sees which image, how it is moved, and what is taken off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fractal_dsl.train.batches import SHIFT, Batches, augmented, centre_of
from fractal_dsl.train.data.images import Images
from tests.train.nets import noise, same


def moved_by_hand(image: Any, down: int, right: int, mirror: int, kind: str) -> Any:
    """One image [C, H, W] in numpy: mirrored, padded by 4 on all sides, and cut out."""
    if mirror:
        image = image[:, :, ::-1]
    sides = ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT))
    padded = np.pad(image, sides, mode="reflect" if kind == "++" else "constant")
    height, width = image.shape[1:]
    return padded[:, down : down + height, right : right + width]


@pytest.mark.parametrize("kind", ["+", "++"])
@given(seed=st.integers(0, 2**31), size=st.tuples(st.integers(5, 9), st.integers(5, 9)))
def test_augmentation_is_that_of_one_image_after_another(
    kind: str, seed: int, size: tuple[int, int]
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(5, 2, *size, generator=generator)
    draws = torch.cat([torch.randint(2 * SHIFT + 1, (5, 2), generator=generator),
                       torch.randint(2, (5, 1), generator=generator)], 1)  # fmt: skip
    ours = augmented(x, draws, kind)
    for image, (down, right, mirror), one in zip(x.numpy(), draws.tolist(), ours, strict=True):
        assert np.array_equal(one.numpy(), moved_by_hand(image, down, right, mirror, kind))


def made(rank: int = 0, ranks: int = 1, augment: str = "++") -> Batches:
    images = noise().train
    return Batches(images, centre_of(images, "pixel"), 6, augment, 1, rank, ranks)


def test_a_pass_sees_every_image_at_most_once_and_passes_differ() -> None:
    batches = made()
    passes = [[row for _ in range(10) for row in batches.next().rows.tolist()] for _ in range(2)]
    for rows in passes:
        assert len(set(rows)) == 60  # of 64: the last four fill no batch
    assert passes[0] != passes[1]


def test_processes_share_what_one_would_see() -> None:
    whole, parts = made(), [made(rank, 3) for rank in range(3)]
    for _ in range(15):
        one, shares = whole.next(), [part.next() for part in parts]
        for rank, share in enumerate(shares):
            assert same(share.rows, one.rows[rank::3])
            assert torch.equal(share.x, one.x[rank::3])


@pytest.mark.parametrize("steps", [0, 3, 10, 13])
def test_a_new_one_with_the_state_goes_on(steps: int) -> None:
    first, second = made(), made()
    for _ in range(steps):
        first.next()
    second.load_state(first.state())
    for _ in range(12):
        one, two = first.next(), second.next()
        assert torch.equal(one.rows, two.rows) and torch.equal(one.x, two.x)


def test_centres() -> None:
    images = noise().train
    scaled = images.pixels.double() / 255
    pixel = centre_of(images, "pixel")(images.pixels).double()
    assert torch.allclose(pixel, scaled - scaled.mean(0), atol=1e-6)
    channel = centre_of(images, "channel")(images.pixels)
    assert abs(float(channel.mean())) < 1e-5 and abs(float(channel.std()) - 1) < 1e-3
    none = centre_of(images, "none")(images.pixels)
    assert float(none.amin()) >= 0 and float(none.amax()) <= 1


def test_images_may_be_floats() -> None:
    images = Images(torch.rand(8, 1, 6, 6), torch.zeros(8, dtype=torch.long), white=1)
    centred = centre_of(images, "pixel")(images.pixels)
    assert torch.allclose(centred.mean(0), torch.zeros(1, 6, 6), atol=1e-6)
    assert float(images.pixels.amin()) >= 0  # the source is not written to
