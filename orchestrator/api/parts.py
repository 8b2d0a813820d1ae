"""The content of chat messages as attachments and as history, checked by the real decoders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from memory.blobs import BlobStore
from orchestrator.api.errors import ApiError, api_error, refused
from orchestrator.api.fetch import Fetched, decode_base64, fetch
from orchestrator.api.schemas import (
    AudioPart,
    ChatMessage,
    ContentPart,
    FilePart,
    ImagePart,
    RefusalPart,
    TextPart,
)
from orchestrator.api.transcripts import Transcripts
from orchestrator.config import Config
from orchestrator.session import Attachment
from specialists.content import AUDIO, IMAGE, TEXT, Kind, Message, Part, text_part
from specialists.errors import AntiphonError
from specialists.media import Inspected, inspect, safe_name
from specialists.threads import in_thread


@dataclass(frozen=True, slots=True)
class Checked:
    """A media part that the decoders accept."""

    data: bytes
    name: str
    found: Inspected


class PartReader:
    """Reads the messages of one request. Every refusal is an ApiError whose `param` names the part."""

    def __init__(self, config: Config, blobs: BlobStore, transcripts: Transcripts, scope: str) -> None:
        self._limits = config.limits
        self._hosts = config.server.allowed_hosts
        self._blobs = blobs
        self._transcripts = transcripts
        self._scope = scope

    async def request(self, message: ChatMessage, index: int) -> tuple[str, tuple[Attachment, ...]]:
        """The words and the attachments of the message that asks."""
        texts, media = await self._read(message, index)
        attachments = tuple(
            Attachment(data=part.data, name=part.name, media_type=part.found.media_type, kind=part.found.kind)
            for part in media
        )
        return "\n".join(texts), attachments

    async def history(self, messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
        """Earlier messages; their media are put into the blob store."""
        return tuple([await self._earlier(message, index) for index, message in enumerate(messages)])

    async def _earlier(self, message: ChatMessage, index: int) -> Message:
        texts, media = await self._read(message, index)
        parts = [text_part(text) for text in texts if text]
        for part in media:
            if part.found.kind == TEXT:
                parts.append(text_part(part.data.decode("utf-8-sig")))
                continue
            ref = await in_thread(self._blobs.put, part.data, part.found.media_type)
            parts.append(Part(part.found.kind, blob=ref, name=part.name, facts=part.found.facts))
        role = "system" if message.role == "developer" else message.role
        return Message(role, tuple(parts))

    async def _read(self, message: ChatMessage, index: int) -> tuple[list[str], list[Checked]]:
        where = f"messages[{index}]"
        if message.audio is not None:
            return [self._transcripts.get(message.audio.id, self._scope, f"{where}.audio.id")], []
        texts: list[str] = []
        media: list[Checked] = []
        for number, part in enumerate(message.content or ()):
            param = f"{where}.content[{number}]"
            if isinstance(part, TextPart):
                texts.append(part.text)
            elif isinstance(part, RefusalPart):
                texts.append(part.refusal)
            else:
                media.append(await self._media(part, param))
        return texts, media

    async def _media(self, part: ContentPart, param: str) -> Checked:
        try:
            fetched, name, kind = await self._content(part, param)
            shown = name or param
            found = await in_thread(inspect, fetched.data, shown, fetched.media_type, kind, self._limits)
        except AntiphonError as error:
            raise api_error(error, param) from error
        return Checked(fetched.data, safe_name(name or found.kind), found)

    async def _content(self, part: ContentPart, param: str) -> tuple[Fetched, str, Kind | None]:
        if isinstance(part, ImagePart):
            limit = self._limits.image_bytes
            fetched = await fetch(part.image_url.url, limit, part=param, allowed_hosts=self._hosts)
            return fetched, "", IMAGE
        if isinstance(part, AudioPart):
            data = decode_base64(part.input_audio.data, self._limits.audio_bytes, part=param)
            return Fetched(data), "", AUDIO
        assert isinstance(part, FilePart)
        return await self._file(part, param)

    async def _file(self, part: FilePart, param: str) -> tuple[Fetched, str, Kind | None]:
        text = part.file.file_data
        if not text:
            raise _no_data(part, param)
        limit = max(self._limits.video_bytes, self._limits.document_bytes)
        name = part.file.filename
        if text.startswith("data:"):
            return await fetch(text, limit, part=param), name, None
        return Fetched(decode_base64(text, limit, part=param)), name, None


def _no_data(part: FilePart, param: str) -> ApiError:
    if part.file.file_id:
        return refused("Files are not kept here; send the content in file_data", f"{param}.file.file_id")
    return refused("A file part needs file_data", f"{param}.file.file_data")
