"""Small pieces of content, made on the spot, on which any specialist can be tried."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from specialists.content import AUDIO, DOCUMENT, IMAGE, TEXT, VIDEO, BlobRef, Kind, Part, text_part
from specialists.errors import UnknownName


@dataclass(frozen=True, slots=True)
class Sample:
    """One piece of content. Text is UTF-8 in `data`."""

    kind: Kind
    data: bytes
    media_type: str
    name: str

    @property
    def part(self) -> Part:
        if self.kind == TEXT:
            return text_part(self.data.decode())
        return Part(self.kind, blob=self.ref, name=self.name)

    @property
    def ref(self) -> BlobRef:
        return BlobRef(hashlib.sha256(self.data).hexdigest(), len(self.data), self.media_type)


class SampleBlobs:
    """Reads the bytes of samples."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._data = {sample.ref.digest: sample.data for sample in samples}

    def read(self, ref: BlobRef) -> bytes:
        try:
            return self._data[ref.digest]
        except KeyError:
            raise UnknownName("no sample has these bytes", part=ref.digest) from None


def make_samples() -> dict[Kind, tuple[Sample, Sample]]:
    """Two different samples of each kind that Antiphon itself knows."""
    return {
        TEXT: (_text(_LIGHTHOUSE, "lighthouse.txt"), _text(_HARBOUR, "harbour.txt")),
        IMAGE: (picture("Platform 9"), picture("Open at 10")),
        AUDIO: (tone(440), tone(660)),
        VIDEO: (film("red"), film("blue")),
        DOCUMENT: (document("The keeper wrote a letter."), document("Two ships left at dawn.")),
    }


_LIGHTHOUSE = "The keeper of the lighthouse wrote a letter. It was long. He sent it in May."
_HARBOUR = "Two ships left the harbour at dawn. One went north, the other one south. Nobody saw them again."


def _text(text: str, name: str) -> Sample:
    return Sample(TEXT, text.encode(), "text/plain", name)


def picture(words: str) -> Sample:
    """A PNG with `words` on it, 320 x 120 pixels."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (320, 120), "white")
    ImageDraw.Draw(image).text((20, 35), words, fill="black", font=ImageFont.load_default(40))
    out = io.BytesIO()
    image.save(out, "PNG")
    return Sample(IMAGE, out.getvalue(), "image/png", "sign.png")


def tone(hertz: float) -> Sample:
    """A WAV file of a second of a sine tone, 16 kHz."""
    import numpy as np

    from specialists.media import encode_wav

    times = np.arange(16_000) / 16_000
    samples = (0.3 * np.sin(2 * math.pi * hertz * times)).astype(np.float32)
    return Sample(AUDIO, encode_wav(samples, 16_000), "audio/wav", "tone.wav")


def film(colour: str) -> Sample:
    """An MP4 of a second in one colour, without sound, 160 x 120 pixels."""
    import av
    from PIL import Image

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        frame = av.VideoFrame.from_image(Image.new("RGB", (160, 120), colour))
        for index in range(10):
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return Sample(VIDEO, out.getvalue(), "video/mp4", "clip.mp4")


def document(words: str) -> Sample:
    """A PDF of one page with `words` on it."""
    content = f"BT /F1 24 Tf 60 700 Td ({words}) Tj ET".encode("latin-1")
    objects: Mapping[int, bytes] = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        4: b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        5: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    }
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in objects.items():
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return Sample(DOCUMENT, bytes(out), "application/pdf", "letter.pdf")
