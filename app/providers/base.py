"""What every chat-completion back-end offers, whichever company or engine is behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from semantic_kernel.connectors.ai.chat_completion_client_base import ChatCompletionClientBase
from semantic_kernel.connectors.ai.prompt_execution_settings import PromptExecutionSettings

from app.providers.circuit import Circuits
from app.providers.retries import Retries


@dataclass(frozen=True)
class Sampling:
    """What a request may ask of the model; None leaves it to the model. Sent only where the model accepts it."""

    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    max_output_tokens: int | None = None

    def over(self, defaults: "Sampling") -> "Sampling":
        """These wishes, and where there is none the default."""
        return Sampling(
            temperature=defaults.temperature if self.temperature is None else self.temperature,
            top_p=defaults.top_p if self.top_p is None else self.top_p,
            frequency_penalty=defaults.frequency_penalty if self.frequency_penalty is None else self.frequency_penalty,
            max_output_tokens=defaults.max_output_tokens if self.max_output_tokens is None else self.max_output_tokens,
        )


class Provider(Protocol):
    """A configured back-end. Its services may be shared by concurrent turns."""

    @property
    def name(self) -> str:
        """`openai`, `azure`, `compatible` or `offline`; the ledger and the price table use it."""
        ...

    @property
    def default_model(self) -> str:
        """The model of a turn that names none."""
        ...

    @property
    def models(self) -> tuple[str, ...]:
        """Every model a request may name, the default first."""
        ...

    @property
    def retries(self) -> Retries:
        """How often a call that failed is tried again. The services themselves make one attempt."""
        ...

    @property
    def circuits(self) -> Circuits:
        """Which models are left alone for a while."""
        ...

    def service(self, model: str) -> ChatCompletionClientBase:
        """The chat-completion service for one of `models`."""
        ...

    def execution_settings(
        self, model: str, sampling: Sampling, *, has_tools: bool, output_schema: Mapping[str, Any] | None = None
    ) -> PromptExecutionSettings:
        """Request settings that hold only what this model accepts; `output_schema` is a strict JSON schema."""
        ...

    async def served_models(self) -> Sequence[str]:
        """Ask the back-end which models it has, which also tells whether it is there and takes the key.

        Raises:
            ProviderError, ProviderUnavailable: it is not, or does not.
        """
        ...

    async def close(self) -> None:
        """Close pooled connections."""
        ...
