"""Balances of the accounts, as KIE tells them now.

Lives here: asking for them, briefly. Does not live here: what follows from them (``alert_causes``, ``checks``).
"""

from dataclasses import dataclass

import anyio

from banana_pipeline.core.failures import KeyRefused, KieError
from banana_pipeline.defs.resources import KieResource

_ASK_WITHIN_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Balance:
    """An account's balance; None where KIE did not tell it.

    Attributes:
        refused: KIE's words if it does not accept the account's key.
    """

    account: str
    credits: float | None = None
    refused: str | None = None


def ask_balances(kie: KieResource) -> list[Balance]:
    """The balance of every account; empty without a key."""
    return anyio.run(_asked, kie) if kie.key_list else []


async def _asked(kie: KieResource) -> list[Balance]:
    found: list[Balance] = []
    async with kie.open_accounts() as accounts:
        for account in accounts:
            credits_left, refused = None, None
            try:
                with anyio.move_on_after(_ASK_WITHIN_S):
                    credits_left = await account.client.credits()
            except KeyRefused as error:
                refused = str(error).rsplit(": ", 1)[-1]
            except KieError:
                pass
            found.append(Balance(account=account.name, credits=credits_left, refused=refused))
    return found
