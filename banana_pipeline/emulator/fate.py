"""What becomes of a task, decided once at its creation: how long it takes and how it ends.

Here: the failure texts of section 7 of the protocol reference and the seeded choice between them.
Not here: the task itself and its states over time (tasks), faults of the transport (faults).
"""

import hashlib
import re
from dataclasses import dataclass

from banana_pipeline.emulator.config import EmulatorConfig

SUCCESS = "success"
NO_RESULT = "noresult"
_OTHER_PROMPT = "Please try again with a different prompt."


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The words of a kind of failed task. `is_envelope`: told as recordInfo's own code, not as `failCode`."""

    code: str
    text: str
    is_envelope: bool = False


FAILURES = {
    "internal": Failure(code="500", text="Internal Error, Please try again later."),
    "busy": Failure(code="500", text="the server is busy, please try again later"),
    "gemini": Failure(
        code="500",
        text="Gemini could not generate an image with the given prompt. " + _OTHER_PROMPT,
    ),
    "fetch": Failure(
        code="400",
        text="Image fetch failed. Check access settings or use our File Upload API instead.",
    ),
    "policy": Failure(
        code="400",
        text="Your request could not be processed because it may violate our content policies.",
    ),
    "sensitive": Failure(
        code="422",
        text="The input or output was flagged as sensitive. Please try again with different inputs.",
    ),
    "prohibited": Failure(code="422", text="Invalid prompt: prompt contains prohibited content"),
    "408": Failure(code="408", text="The upstream service did not return a result for over 10 minutes."),
    "501": Failure(code="501", text="Generation failed."),
    "word": Failure(code="GENERATION_FAILED", text="Generation failed."),
    "envelope408": Failure(code="408", text="The upstream service has timed out.", is_envelope=True),
    "envelope501": Failure(code="501", text="Generation failed.", is_envelope=True),
}
BY_CHANCE = ("internal", "internal", "busy", "gemini", "policy", "sensitive")

_MARK = re.compile(r"\[fail:(\w+)(?::(\d+))?\]")


def chance(*parts: object) -> float:
    """A number in [0, 1) that depends on `parts` alone, the same in every process."""
    digest = hashlib.blake2b(repr(parts).encode("utf-8", "replace"), digest_size=6).digest()
    return int.from_bytes(digest) / 2**48


def outcome(config: EmulatorConfig, *, prompt: str, digest: str, earlier: int) -> str:
    """`success`, `noresult` or a key of FAILURES for the task that follows `earlier` tasks of the same input.

    `[fail:<kind>]` in the prompt always fails so; `[fail:<kind>:2]` only the first two times; then words of
    `policy_words`; then `fail_share`, by a hash of the seed, the input and the count.
    """
    mark = _MARK.search(prompt)
    if mark and (mark[1] in FAILURES or mark[1] == NO_RESULT):
        return mark[1] if mark[2] is None or earlier < int(mark[2]) else SUCCESS
    lowered = prompt.lower()
    if any(word in lowered for word in config.policy_words):
        return "policy"
    if chance(config.seed, "fail", digest, earlier) < config.fail_share:
        return BY_CHANCE[int(chance(config.seed, "kind", digest, earlier) * len(BY_CHANCE))]
    return SUCCESS


def latency_s(config: EmulatorConfig, *, digest: str, earlier: int) -> float:
    """Seconds from creation to the final state, within `config.latency_s`."""
    least, most = config.latency_s
    return least + (most - least) * chance(config.seed, "latency", digest, earlier)
