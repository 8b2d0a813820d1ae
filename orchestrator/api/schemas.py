"""What requests may say. Unknown fields are ignored; those that would change the answer are refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import UploadFile
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from orchestrator.session import Speak


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"half a surrogate pair at character {error.start}") from None
    return text


Text = Annotated[str, AfterValidator(_encodable)]
"""Text that can be written down: JSON may name half characters that no encoding has."""


Within = Annotated[float | None, Field(default=None, gt=0, allow_inf_nan=False)]
MaxPrice = Annotated[float | None, Field(default=None, ge=0, allow_inf_nan=False)]


class TextPart(BaseModel):
    type: Literal["text"]
    text: Text


class RefusalPart(BaseModel):
    type: Literal["refusal"]
    refusal: Text


class ImageUrl(BaseModel):
    url: str
    """A data: URL, or an http(s) URL of a host in `server.allowed_hosts`."""


class ImagePart(BaseModel):
    type: Literal["image_url"]
    image_url: ImageUrl


class InputAudio(BaseModel):
    data: str
    """Base64."""
    format: str
    """wav, mp3, or another format whose suffix it names."""


class AudioPart(BaseModel):
    type: Literal["input_audio"]
    input_audio: InputAudio


class FileData(BaseModel):
    file_data: str | None = None
    """Base64, or a data: URL."""
    filename: str = ""
    file_id: str | None = None


class FilePart(BaseModel):
    type: Literal["file"]
    file: FileData


ContentPart = Annotated[
    TextPart | RefusalPart | ImagePart | AudioPart | FilePart, Field(discriminator="type")
]


def _as_parts(content: object) -> object:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


Content = Annotated[
    list[ContentPart] | None,
    BeforeValidator(_as_parts, json_schema_input_type=str | list[ContentPart] | None),
]
"""Parts. Words alone are one part."""


class AudioReference(BaseModel):
    id: str


class ChatMessage(BaseModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: Content = None
    audio: AudioReference | None = None
    """An earlier spoken answer, by its id, in place of its words."""


class StreamOptions(BaseModel):
    include_usage: bool = False


class VoiceName(BaseModel):
    id: str


class AudioOutput(BaseModel):
    voice: str | VoiceName = "default"
    format: Literal["wav", "mp3", "flac", "opus", "aac", "pcm16"]


class Metadata(BaseModel):
    session: str | None = None


class ResponseFormat(BaseModel):
    type: str


class ChatRequest(BaseModel):
    """A chat completion. Sampling parameters are ignored: several models make an answer."""

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    audio: AudioOutput | None = None
    session: str | None = None
    """Continues the session of this name: only the last message is sent, the rest is remembered."""
    metadata: Metadata | None = None
    """`metadata.session` is the same as `session`, for clients that cannot add a field."""

    n: int | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    logit_bias: dict[str, float] | None = None
    stop: str | list[str] | None = None
    web_search_options: dict[str, Any] | None = None


class TranscriptionForm(BaseModel):
    """`language` and `prompt` reach a specialist that declares them."""

    file: UploadFile
    model: str
    response_format: Literal["json", "text", "verbose_json", "srt", "vtt"] = "json"
    language: str | None = None
    prompt: str | None = None
    granularities: list[Literal["word", "segment"]] = Field(
        default_factory=list, alias="timestamp_granularities[]"
    )
    stream: bool = False


class SpeechRequest(BaseModel):
    model: str
    input: Annotated[Text, Field(min_length=1)]
    voice: str | VoiceName = "default"
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: float = Field(default=1.0, ge=0.25, le=4.0)
    instructions: str | None = None
    """Accepted and not used: no voice here follows instructions."""
    stream_format: Literal["audio"] = "audio"


class EmbeddingRequest(BaseModel):
    model: str
    input: Text | list[Text]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None


class InterruptRequest(BaseModel):
    heard: str | None = None
    """The part of the reply that the person heard; null for all that was sent."""


class HistoryMessage(BaseModel):
    role: Literal["system", "user", "assistant"]
    text: Text = ""
    attachments: list[str] = Field(default_factory=list)
    """Kinds of what was attached."""


class PlanRequest(BaseModel):
    text: Text = ""
    attachments: list[str] = Field(default_factory=list)
    """Kinds of what is attached; no file is needed."""
    history: list[HistoryMessage] = Field(default_factory=list)
    within: Within = None
    max_price: MaxPrice = None


class TurnAttachment(BaseModel):
    data: str
    """Base64."""
    name: str = ""
    media_type: str = ""
    kind: str | None = None
    """What it is said to be; null to tell from the media type, the name or the content."""


class TurnRequest(BaseModel):
    text: Text = ""
    attachments: list[TurnAttachment] = Field(default_factory=list)
    voice: bool = False
    """The words were spoken."""
    speak: Speak = False
    """A spoken reply is wanted beside the text; "never": none, even where the words ask for one."""
    within: Within = None
    """Seconds aimed at; may be less than the server allows, never more."""
    max_price: MaxPrice = None
    """Nothing is planned that costs more; in the unit of the prices on the Cards."""
