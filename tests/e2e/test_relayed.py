"""What is relayed without being kept."""

from __future__ import annotations

import pytest

from tests.support.hub import Roaming
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.req("TF-36")
@pytest.mark.parametrize("fault", [{"delay_s": 1.5}, {"http": 503}, {"ocpi": 3000}], ids=str)
async def test_a_post_that_failed_is_not_sent_again(
    roam: Roaming, fault: dict[str, object]
) -> None:
    uid = f"LOST-{len(str(fault))}-{next(iter(fault))}"
    await roam.emsp.fault(match={"module": "tokens", "path": uid}, **fault)
    answer = await roam.cpo.authorize(uid, to="DE*MSP")
    assert answer["ocpi"] != 1000
    await roam.emsp.clear_faults()

    async def arrived() -> list[str]:
        record = await roam.emsp.record(direction="in", module="tokens")
        return [item["path"] for item in record if uid in item["path"]]

    await eventually(arrived, "the request is on record")
    # The receiver is well again and hears from the hub, and not a second time of this.
    await roam.cpo.authorize("ANOTHER", to="DE*MSP")
    assert len(await arrived()) == 1
