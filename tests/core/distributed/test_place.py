"""Who a process is, as torchrun says it; and the shares of a batch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.data.batches import Share
from app.core.data.image_preprocess import augmentation_rng
from app.core.distributed import Place
from app.core.errors import UsageError
from tests.core.small_images import small_fitted

TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "10.0.0.1",
    "MASTER_PORT": "29500",
    "TORCHELASTIC_USE_AGENT_STORE": "True",
    "TORCHELASTIC_RESTART_COUNT": "2",
}


def test_torchrun_is_understood():
    place = Place.from_environment(TORCHRUN)
    assert place == Place(3, 4, 1, 2, "10.0.0.1", 29500, opens_store=False, attempt=2)
    assert not place.on_one_host
    alone = {name: TORCHRUN[name] for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")}
    assert Place.from_environment(alone).opens_store


@pytest.mark.parametrize("missing", ["RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"])
def test_without_all_of_it_a_process_is_alone(missing):
    assert Place.from_environment({**TORCHRUN, missing: ""}) is None
    assert Place.from_environment({}) is None
    assert Place.from_environment({**TORCHRUN, "WORLD_SIZE": "1", "RANK": "0"}) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"RANK": "4"},
        {"RANK": "-1"},
        {"WORLD_SIZE": "0"},
        {"WORLD_SIZE": "many"},
        {"LOCAL_RANK": "2"},
        {"LOCAL_WORLD_SIZE": "5"},
        {"MASTER_PORT": "70000"},
        {"MASTER_PORT": "9" * 5000},
        {"TORCHELASTIC_RESTART_COUNT": "\u0663x"},
    ],
)
def test_what_cannot_be_is_one_sentence(wrong):
    with pytest.raises(UsageError, match="is not a number from") as refused:
        Place.from_environment({**TORCHRUN, **wrong})
    assert "torchrun" in refused.value.hint


@given(st.integers(1, 50), st.integers(1, 1000))
def test_shares_are_all_rows_once_and_alike(size, whole):
    shares = [Share.of(rank, size, whole) for rank in range(size)]
    rows = np.arange(whole)
    np.testing.assert_array_equal(np.concatenate([rows[share.rows] for share in shares]), rows)
    lengths = [share.stop - share.start for share in shares]
    assert max(lengths) - min(lengths) <= 1
    assert sum(share.weight for share in shares) == pytest.approx(1)


def test_a_share_has_the_pictures_that_the_whole_batch_would_have():
    data = small_fitted(flip=True, crop=2)
    rows = data.split.train[:11]
    whole = data.batch(rows, augmentation_rng(1, 2, 3), np.float64)
    down, across = data.draw_views(len(rows), augmentation_rng(1, 2, 3))
    for rank in range(3):
        share = Share.of(rank, 3, len(rows))
        part = data.batch(rows[share.rows], augmentation_rng(1, 2, 3), np.float64, share)
        np.testing.assert_array_equal(part, whole[share.rows])
        count = share.stop - share.start
        views = data.draw_views(count, augmentation_rng(1, 2, 3), share)
        np.testing.assert_array_equal(views[0], down[share.rows])
        np.testing.assert_array_equal(views[1], across[share.rows])


def test_a_share_has_the_masks_that_the_whole_batch_would_have():
    torch = pytest.importorskip("torch")
    from app.core.torch_models.functions import Mode, dropout

    x = torch.ones(7, 3, 2, 2, dtype=torch.float64)

    def masked(part, share):
        mode = Mode(train=True, rng=np.random.default_rng(4), share=share)
        # A network has more than one row of dropout: what comes after must be in step too.
        return torch.cat([dropout(part, 0.5, mode), dropout(part, 0.7, mode)], dim=1)

    whole = masked(x, None)
    for size in (2, 3, 9):
        shares = [Share.of(rank, size, len(x)) for rank in range(size)]
        parts = [masked(x[share.rows], share) for share in shares]
        assert torch.equal(torch.cat(parts), whole)
