"""A spoken conversation: ears, floor and mouth around a session, in real time."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from collections.abc import Callable, Coroutine
from contextlib import aclosing

import numpy as np

from orchestrator import turn
from orchestrator.config import Config
from orchestrator.events import Event, Failed, FloorChanged, Heard, Remarked, Transcript
from orchestrator.speech.announcements import Announcements
from orchestrator.speech.collector import leave_loaded_alone
from orchestrator.speech.detector import (
    InterruptionDetector,
    LocalDetector,
    Overlap,
    Verdict,
    is_stop,
    objects,
)
from orchestrator.speech.devices import AudioDevice, Samples
from orchestrator.speech.ears import RATE, Boundary, Ears, Vad, silero
from orchestrator.speech.echo import EchoCanceller, Loudspeaker, are_own_words, webrtc
from orchestrator.speech.endpoint import TurnDetector, joined, patience
from orchestrator.speech.listener import Guess, Listener
from orchestrator.speech.playout import Playout, Share
from orchestrator.speech.recognition import SPECIALIST, Words, hears_live, hedged, recognise
from orchestrator.speech.remarks import NOTHING_HEARD, Remark, Remarks, remark_on
from orchestrator.speech.replies import Replies
from orchestrator.speech.session import SpokenSession
from orchestrator.speech.smart_turn import SmartTurn
from orchestrator.turn import Command, Cue, State
from specialists.errors import AntiphonError, DeadlineExceeded, Ours, Unavailable
from specialists.models import ModelStore
from specialists.runtime import Runtime
from specialists.threads import in_thread

RECOGNITION_SECONDS = 10.0
"""How long recognition may take before the person is told that it failed."""
HUNG_SECONDS = 2.0
"""How long recognition may take, and as long as what it hears besides, before it is asked a second time."""
WORDS_AFTER = 0.8
"""Seconds of voice over the assistant after which words are wanted even without a pause."""
CLICK_SECONDS = 0.1
"""An utterance with less voice than this is no speech."""
METER_DECAY = 0.8
"""What is left of a level in the next frame, so that a meter falls slowly."""
BRIDGE_SECONDS = 2.5
"""Of silence after a request before it is said, once, that the answer takes a while."""
STOP_AFTER = 3.0
"""Seconds for which "stop" may still mean what was said last."""
MOST_UNCAUGHT = 2
"""How often in a row it says that it did not catch what was said."""
SETTLED = frozenset({State.IDLE, State.THINKING, State.SPEAKING, State.TELLING})
"""Where what the person said before is dealt with."""
PLAYING = frozenset({State.SPEAKING, State.DUCKED, State.TELLING})
REMARK_SECONDS = 0.3
"""An utterance with less voice than this need not be answered when no words are found in it."""
LAST_REPLY_SECONDS = 60.0
"""How long a conversation goes on after the microphone will hear nothing more."""
SETTLED_SECONDS = 0.5
LEAVE_SECONDS = 5.0


class Conversation:
    """Listens and speaks over `device` until the device is exhausted or the task is cancelled.

    `note`d in the session: Transcript, FloorChanged, Heard, and Failed when something did not work. All
    their times are on the ears' clock: seconds since the first frame.
    """

    def __init__(
        self,
        session: SpokenSession,
        device: AudioDevice,
        runtime: Runtime,
        config: Config,
        *,
        vad: Vad | None = None,
        detector: InterruptionDetector | None = None,
        canceller: Callable[[], EchoCanceller | None] = webrtc,
    ) -> None:
        self._session = session
        self._device = device
        self._runtime = runtime
        self._wait = config.speech.end_of_turn_seconds
        self._bounds = turn.bounds(config.engine.turn_seconds)
        self._detector = detector or LocalDetector()
        self._turn_detector = _turn_detector(config)
        self._listener = Listener(
            Ears(vad or silero()),
            self._recognise,
            live=lambda: hears_live(runtime),
            judge=self._judge_end if self._turn_detector else None,
            foretell=session.ends,
        )
        self._playout = Playout(device.rate, latency=round(device.latency * device.rate))
        self._loudspeaker = Loudspeaker(self._playout, device.rate, canceller())
        self._replies = Replies(session, self._playout, self._told)
        self._remarks = Remarks(device.rate)
        self._announcements = Announcements(session, runtime, device.rate)
        self._state = State.IDLE
        self._now = 0.0
        self._since = 0.0
        self._power = 0.0
        self._said = ""
        self._carried = ""  # what was said before, which the open utterance goes on with
        self._spoke = -STOP_AFTER  # when the assistant was last to be heard
        self._prepared = ""  # what a reply was begun for, though it is not certain that it is wanted
        self._shown = ("", 0)  # the words that were noted last, and how many characters were confirmed
        self._cut_in = False  # whether the open utterance interrupted a reply
        self._cut_off: int | None = None  # where an endless utterance was taken to end
        self._problem: Failed | None = None
        self._uncaught = 0  # utterances in a row in which no words were found
        self._bridged = False  # whether it was said that this reply takes a while
        self._recognitions = itertools.count(1)
        self._notes: asyncio.Queue[Event] = asyncio.Queue()

    @property
    def state(self) -> State:
        return self._state

    @property
    def now(self) -> float:
        """Seconds on the ears' clock."""
        return self._now

    @property
    def level(self) -> float:
        """How loud the microphone is now, in dB of full scale."""
        return 10 * math.log10(self._power + 1e-12)

    async def load(self) -> None:
        """Get the specialists ready that every turn needs. Raises Unavailable when nothing can hear."""
        cards = {card.name: card for card in self._runtime.cards()}
        hearing = cards.get(SPECIALIST)
        if hearing is None or not hearing.available:
            raise Unavailable(
                "no specialist turns speech into words",
                part=SPECIALIST,
                remedy=(hearing.remedy if hearing else "") or f"Configure [specialists.{SPECIALIST}]",
            )
        wanted = [name for name in (SPECIALIST, "tts", "chat") if name in cards and cards[name].available]
        await asyncio.gather(*(self._runtime.load(name) for name in wanted))
        if self._turn_detector is not None:
            await in_thread(self._turn_detector.load)
        await self._remarks.load(self._runtime)

    async def run(self) -> None:
        """Converse. Raises SpecialistFailed when the device fails."""
        leave_loaded_alone()
        try:
            await self._run()
        except BaseExceptionGroup as group:
            known, others = group.split(AntiphonError)
            if known is None or others is not None:
                raise
            raise known.exceptions[0] from None

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            helpers = [
                group.create_task(self._listener.run(self._on_guess), name="listener"),
                group.create_task(self._replies.run(), name="replies"),
                group.create_task(self._announcements.run(), name="announcements"),
                group.create_task(self._scribe(), name="scribe"),
            ]
            try:
                await self._listen()
            finally:
                await self._leave()
                for helper in helpers:
                    helper.cancel()

    # Ears: everything that is decided is decided here, once a frame.

    async def _listen(self) -> None:
        exhausted_at: float | None = None
        frames = self._device.frames(self._loudspeaker)
        async with aclosing(frames) as heard:  # type: ignore[type-var]
            async for frame in heard:
                self._now += len(frame) / RATE
                self._power = max(float(np.mean(np.square(frame))), METER_DECAY * self._power)
                cleaned = self._loudspeaker.heard(frame)
                self._listener.ears.cancelled = self._loudspeaker.cancels
                self._hear(cleaned)
                if not self._device.exhausted:
                    continue
                exhausted_at = self._now if exhausted_at is None else exhausted_at
                settled = self._state is State.IDLE and self._now - self._since >= SETTLED_SECONDS
                if settled or self._now - exhausted_at > LAST_REPLY_SECONDS:
                    return

    def _hear(self, frame: Samples) -> None:
        # Over a reply the words decide whether it stops; otherwise the reply shows what was misheard.
        self._listener.thorough = self._state in PLAYING or self._state in turn.OVERLAP
        for boundary in self._listener.feed(frame):
            stopped = boundary is Boundary.PAUSED
            self._cue(Cue.SPEECH_STOPPED if stopped else Cue.SPEECH_STARTED)
        if self._state in turn.OVERLAP:
            self._judge()
        if self._state is State.DECIDING:
            self._decide()
        if self._state in PLAYING and self._playout.finished:
            self._cue(Cue.PLAYBACK_FINISHED)
            self._follow_up()
        if self._state in (State.SPEAKING, State.TELLING) and self._playout.sounding:
            self._since = self._spoke = self._now
        if self._now - self._since > (bound := self._bounds.get(self._state, float("inf"))):
            part = "tts" if self._state is State.SPEAKING else "turn"
            part = SPECIALIST if self._state is State.DECIDING else part
            self._problem = self._failed(DeadlineExceeded(f"nothing came within {bound:.0f} s", part=part))
            self._cue(Cue.TIMEOUT)
        if self._state is State.THINKING and self._now - self._since > BRIDGE_SECONDS and not self._bridged:
            self._bridged = True
            self._replies.remark(self._remark(Remark.BRIDGE))
        listening = self._state is State.LISTENING and self._announcements.urgent
        if self._announcements.waiting and (listening or self._state in (State.IDLE, State.SPEAKING)):
            self._cue(Cue.ANNOUNCEMENT)

    def _judge(self) -> None:
        ears, guess = self._listener.ears, self._listener.guess
        if ears.voiced >= WORDS_AFTER and ears.speaking and guess is None:
            self._listener.want_words()
        overlap = Overlap(
            voiced=ears.voiced,
            ended=not ears.speaking and (guess is None or self._listener.covers_all),
            level=ears.level,
            text=self._listener.sure_text,
            score=guess.words.score if guess and guess.words else 1.0,
            own=bool(guess and guess.words and self._own_words(guess.words.text)),
            failed=guess is not None and guess.error is not None,
        )
        verdict = self._detector.judge(overlap)
        if verdict is Verdict.SUSPECTED and self._state is State.DUCKED:
            self._cue(Cue.SPEECH_PERSISTED)
        elif verdict in (Verdict.BACKCHANNEL, Verdict.NOISE):
            if overlap.text:
                self._transcript(overlap.text, final=True)
            self._cue(Cue.BACKCHANNEL, reason=verdict.value)
        elif verdict is Verdict.INTERRUPTION:
            self._cut_in = True
            # Who goes on before anything was heard goes on with the same request.
            self._carried = "" if self._playout.share().heard else self._said
            self._cue(Cue.INTERRUPTION)
            self._follow_up()

    def _own_words(self, text: str) -> bool:
        """Whether the ears heard the assistant itself."""
        ears = self._listener.ears
        seconds = (ears.clock - ears.onset) / RATE
        return self._loudspeaker.mostly_echo(seconds) and are_own_words(text, self._playout.share().heard)

    def _follow_up(self) -> None:
        """The person has the floor now; they may have stopped speaking before it was given to them."""
        if self._state is State.LISTENING and not self._listener.ears.speaking:
            self._cue(Cue.SPEECH_STOPPED)

    def _decide(self) -> None:
        """Whether the person is done, and if so, what follows."""
        ears, guess = self._listener.ears, self._listener.guess
        if ears.voiced < CLICK_SECONDS and not ears.speaking:
            self._cue(Cue.NOTHING_ASKED)
            return
        cut_off = guess is not None and self._cut_off is not None and guess.upto >= self._cut_off
        if guess is None or not (self._listener.covers_all or cut_off):
            if guess is not None and self._listener.covers_voice:
                self._prepare(self._request(guess.text))
            return
        if guess.words is None:
            self._problem = self._failed(guess.error)
            self._cue(Cue.FAILED)
            return
        text = guess.words.text
        if ears.silence < patience(text, self._wait, guess.complete, guess.whole) and not cut_off:
            self._prepare(self._request(text))
            return
        if text and self._own_words(text):
            self._cue(Cue.NOTHING_ASKED)
            return
        if text:
            self._transcript(text, final=True)
        if not text:
            self._nothing_heard()
        elif is_stop(text) and (self._cut_in or ears.onset / RATE - self._spoke < STOP_AFTER):
            self._cue(Cue.NOTHING_ASKED)
        else:
            self._said, self._uncaught = self._request(text), 0
            self._cue(Cue.UTTERANCE)

    def _request(self, text: str) -> str:
        """What the person wants, with the half of it that was said before."""
        return text if objects(text) else joined(self._carried, text)

    def _prepare(self, text: str) -> None:
        """Begin the reply that will be wanted if the person is done."""
        if text and text != self._prepared and not is_stop(text) and self._session.prepare(text):
            self._prepared = text

    def _nothing_heard(self) -> None:
        """Ask again, but not for ever: what never has words may be a fan or a neighbour."""
        if self._listener.ears.voiced < REMARK_SECONDS or self._uncaught == MOST_UNCAUGHT:
            self._cue(Cue.NOTHING_ASKED)
            return
        self._uncaught += 1
        self._problem = self._failed(
            AntiphonError("I did not catch that", part=SPECIALIST, remedy="Please say it again"),
            code=NOTHING_HEARD,
        )
        self._cue(Cue.NOTHING_HEARD)

    def _on_guess(self, guess: Guess) -> None:
        if guess.text and (guess.text, guess.confirmed) != self._shown:
            self._shown = (guess.text, guess.confirmed)
            self._transcript(guess.text, final=False, confirmed=guess.confirmed)

    async def _recognise(self, samples: Samples) -> Words:
        def call() -> Coroutine[object, object, Words]:
            task = f"hear-{self._session.name}-{next(self._recognitions)}"
            return recognise(self._runtime, task, samples, RATE, RECOGNITION_SECONDS)

        return await hedged(call, HUNG_SECONDS + len(samples) / RATE)

    async def _judge_end(self, samples: Samples, text: str) -> float:
        assert self._turn_detector is not None
        return await in_thread(self._turn_detector.probability, samples, text)

    # Floor: the machine decides, its commands are carried out at once or, where they wait, in order.

    def _cue(self, cue: Cue, *, reason: str = "") -> None:
        before = self._state
        self._state, commands = turn.step(before, cue)
        if self._state is not before:
            self._since = self._now
            if {before, self._state} != {State.LISTENING, State.DECIDING}:
                floor = turn.FLOOR[self._state]
                self._note(
                    FloorChanged(
                        turn=self._replies.turn, state=floor, reason=reason or cue.value, at=self._now
                    )
                )
        for command in commands:
            self._do(command)
        if self._state in SETTLED and self._listener.ears.open:
            self._listener.close()
            self._cut_in = False
            self._carried = ""
            self._cut_off = None

    def _do(self, command: Command) -> None:
        match command:
            case Command.START_TURN:
                self._bridged = False
                self._prepared = ""
                self._replies.start(self._said)
            case Command.DUCK:
                self._playout.duck()
            case Command.UNDUCK:
                self._playout.unduck()
            case Command.HOLD:
                self._playout.hold()
            case Command.RESUME:
                self._playout.resume()
            case Command.STOP_PLAYBACK:
                self._playout.stop()
                self._replies.drop()
            case Command.KEEP_HEARD:
                self._keep_heard()
            case Command.CANCEL_TURN:
                self._replies.interrupt(self._playout.share().heard)
            case Command.END_UTTERANCE:
                self._cut_off = self._listener.ears.last_voiced
                self._listener.want_words()
            case Command.SAY_SO:
                self._say_so()
            case Command.ANNOUNCE:
                self._announce()

    def _keep_heard(self) -> None:
        share: Share = self._playout.share()
        rate = self._device.rate
        self._note(
            Heard(
                turn=self._replies.turn,
                heard=share.heard,
                unheard=share.unheard,
                complete=share.complete,
                start=(share.start or 0) / rate,
                end=(share.end or 0) / rate,
            )
        )

    def _say_so(self) -> None:
        problem = self._problem
        if problem is None:
            raise Ours("there is nothing to say", part="floor")
        if not problem.seq:  # the session does not know of it yet
            self._note(problem)
        sounded = self._state in (State.SPEAKING, *turn.OVERLAP)
        sound = self._remark(remark_on(problem, sounded=sounded))
        if self._state is State.TELLING:
            self._replies.tell(sound)
        elif sounded:
            self._replies.remark(sound)

    def _announce(self) -> None:
        announcement = self._announcements.take()
        self._note(Remarked(turn=self._replies.turn, text=announcement.text, at=self._now))
        if self._state is State.SPEAKING:
            self._replies.remark(announcement.sound)
        else:
            self._replies.tell(announcement.sound)

    def _remark(self, remark: Remark) -> Samples:
        self._note(Remarked(turn=self._replies.turn, text=remark.value, at=self._now))
        return self._remarks.sound(remark)

    def _failed(self, error: AntiphonError | None, *, code: str = "") -> Failed:
        error = error or Ours("nothing is known of it", part="floor")
        return Failed(
            turn=self._replies.turn,
            code=code or error.code,
            part=error.part,
            reason=error.message,
            remedy=error.remedy,
        )

    def _transcript(self, text: str, *, final: bool, confirmed: int | None = None) -> None:
        ears = self._listener.ears
        start, end = ears.onset / RATE, ears.last_voiced / RATE
        confirmed = len(text) if confirmed is None else confirmed
        self._note(Transcript(text=text, final=final, start=start, end=end, confirmed=confirmed))

    # Mouth.

    def _told(self, cue: Cue, problem: Failed | None) -> None:
        self._problem = problem
        self._cue(cue)
        self._follow_up()

    # Session.

    def _note(self, event: Event) -> None:
        self._notes.put_nowait(event)

    async def _scribe(self) -> None:
        while True:
            await self._session.note(await self._notes.get())
            self._notes.task_done()

    async def _leave(self) -> None:
        """Stop what still plays or runs, keep what was heard of it, and have everything noted."""
        if self._state is State.TELLING:
            self._playout.stop()
        if self._state in (State.THINKING, State.SPEAKING, *turn.OVERLAP):
            self._playout.stop()
            self._keep_heard()
            self._replies.interrupt(self._playout.share().heard)
        with contextlib.suppress(TimeoutError):  # a helper that failed leaves its work undone
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._replies.close()
                await self._notes.join()


def _turn_detector(config: Config) -> TurnDetector | None:
    uri = config.speech.turn_detector
    return SmartTurn(ModelStore(config.engine.models), uri) if uri else None
