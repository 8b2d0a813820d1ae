"""What a person states about themselves or their world, told from what they ask, want, suppose or quote.

The rules are for English and would rather miss a statement than take a request for one; in other languages
nothing is found.
"""

from __future__ import annotations

import re

from memory.sentences import sentences

_SUBJECT = r"(?:I|[Ww]e|[Mm]y|[Oo]ur)\b"

_QUOTED = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]+`|“[^”]*(?:”|\Z)|«[^»]*(?:»|\Z)|\"[^\"]*(?:\"|\Z)"
    r"|(?<!\w)['‘](?:[^'’\n]|(?<=\w)['’](?=\w))+['’](?!\w)|^[ \t]*>.*$",
    re.DOTALL | re.MULTILINE,
)
_MASK = "\x00"

_MATERIAL = re.compile(
    r"\b(?:translat\w*|proof-?read\w*|rewrite|rephrase|paraphrase|spell|pronounce|grammar|repeat after"
    r"|(?:correct|improve|summari[sz]e|shorten|polish|read|say|put) (?:this|these|my|it|the following)"
    r"|how (?:do|would) (?:you|i|we|one) say|in (?:the|my|a) (?:story|novel|game|poem|dream|play|scene"
    r"|script)"
    r"|pretend|imagine|suppose|role-?play|let'?s say|for example|hypothetically|as if"
    r"|my (?:\w+ )?(?:character|hero|heroine|protagonist)"
    r"|(?:write|draft|compose|make|create|draw|paint|dictate)\b.{0,30}"
    r"\b(?:story|poem|letter|e-?mail|mail|song|text|message|note|cv|speech|tweet|post|essay|diary"
    r"|advert|review|reply|dialogue|caption|slogan|sentence))\b",
    re.IGNORECASE,
)
"""Who asks for this gives words to work on, or makes something up: nothing in the message is stated."""

_LEAD = re.compile(
    r"^(?:(?:oh|well|no|nope|yes|yeah|yep|ok|okay|sorry|hi|hello|hey|thanks|thank you|right|great|cool|wait"
    r"|good news|bad news|update|correction)\b[\s,:!.;–—-]+"
    r"|(?:and|but|so|also|actually|anyway|btw|by the way|fyi|for your information|just so you know|in fact"
    r"|to be clear|one more thing|another thing|the thing is|turns out"
    r"|it turns out)\b[\s,:–—-]+(?:that )?)+",
    re.IGNORECASE,
)
_TOLD = re.compile(
    r"^(?:please )?(?:remember|note|keep in mind|don't forget|bear in mind|know|you should know"
    r"|let me tell you|i (?:want|wanted|would like|'d like) (?:you to know|to tell you|to let you know)"
    r"|i should (?:mention|add|say)|i forgot to (?:say|mention|tell you))(?: that)?[:,]?\s+(?=\w)",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"^(?:(?:since|in|on|at|from|last|next|this|every|as of|until|for|two|three|four|\d+|a (?:few|week"
    r"|month"
    r"|year|couple)|yesterday|today|tomorrow|tonight|now|these days|nowadays|recently|lately|currently"
    r"|usually"
    r"|sometimes|often|unfortunately|sadly|luckily|finally|sometime|earlier)\b[^,.]{0,30}?,?\s+)"
    rf"(?={_SUBJECT})",
    re.IGNORECASE,
)

_ASKS = re.compile(
    r"^(?:who|whom|whose|what|where|when|why|which|how|is|are|am|was|were|do|does|did|can|could|will|would"
    r"|shall|should|may|might|has|had|have (?:you|we|i)|is(?:n't)|are(?:n't)|do(?:n't)|ca(?:n't)|wo(?:n't)"
    r"|what's|where's|who's|how's|if|unless|whether|let's|lets)\b",
    re.IGNORECASE,
)
_HEDGED = re.compile(
    r"\b(?:if|unless|whether|maybe|perhaps|probably|possibly|might|would|could|supposedly|as though"
    r"|wish|kidding|joking|lol)\b|'d\b",
    re.IGNORECASE,
)

_STATES = (
    r"(?:(?:just|really|also|still|only|simply|now|actually|already|honestly|kind of|sort of|do|did|have"
    r"|always|already)\s+)*"
)
_TALK = re.compile(
    rf"^(?:i|we)\s+{_STATES}(?:want|wants|wanted|need|needed|wonder|wondered|hope|hoped|mean|meant"
    rf"|think|thought"
    r"|guess|believe|assume|doubt|feel|see|saw that|know|knew|understand|understood|agree|disagree|say"
    r"|said|ask"
    r"|asked|tell|told|try|tried|forget|forgot|remember|look forward|appreciate|thank|beg|bet|suggest"
    r"|recommend"
    r"|expect|attach|attached|sent|send|upload|uploaded|notice|noticed|was wondering|were wondering|should"
    r"|shall|may|must ask|am told|can see|can hear|can read|hear you|heard you|was asking|were asking"
    r"|get (?:it|that)|got (?:it|that)|got (?:a|another|one) question|love (?:it|that|this|you|how)"
    r"|like (?:it|that|this|how|your|the (?:picture|answer|idea|song|first|second|last|other))"
    r"|hate (?:it|that|this|when)|prefer (?:it|that|this|the (?:first|second|last|other))"
    r"|(?:have|had) (?:a|an|another|one|two|some|no|any|more) (?:\w+ )?(?:question|questions|request"
    r"|idea|ideas"
    r"|doubt|doubts|picture|pictures|photo|photos|image|file|files|recording|video|clip|clue|look"
    r"|problem with"
    r"|look at)\b|have to (?:go|run|ask)|give up(?: \W|$)|give you|show you|found this|took this)\b",
    re.IGNORECASE,
)
_NOT_TALK = re.compile(
    r"^(?:i|we)\s+(?:do not|did not|have not|am not|are not|was not|can not|cannot"
    r"|will not)\s+(?:really |even )?"
    r"(?:know|think|understand|see|get|remember|recall|care|mind|believe|want|need|mean|ask|hear|catch"
    r"|say|sure"
    r"|asking|read|find|open|tell|make|figure|wait|help|play|follow|agree|follow|recognise|recognize)\b",
    re.IGNORECASE,
)
_AM_TALK = re.compile(
    rf"^(?:i|we) (?:am|are|was|were) {_STATES}(?:not )?(?:so |very |a bit |a little |quite |pretty "
    rf"|too )?(?:sending"
    r"|attaching|asking|looking (?:at|for|to)|trying|wondering|curious|sorry|afraid|sure|unsure"
    r"|confused|glad"
    r"|happy|fine|good|ok|okay|ready|done|back|here|there|listening|talking|bored|tired|hungry|thirsty"
    r"|busy|late"
    r"|lost|interested|serious|about to|impressed|waiting|thinking|having trouble|going to (?:show|send"
    r"|ask|tell"
    r"|need|bed)|all ears|surprised|stuck|thankful|grateful|speaking|saying|guessing|hoping|testing|reading"
    r"|seeing|hearing|positive|certain|wrong|right|cold|hot|sleepy|in a hurry)\b",
    re.IGNORECASE,
)
_SOON = re.compile(
    r"^(?:i|we) (?:will|am going to|can) (?:wait|see|try|send|show|tell|ask|be (?:back|right)"
    r"|have a look|take it"
    r"|take that|let you|get back|think|do (?:it|that)|check|pass|explain|say|go with|call you|talk"
    r"|give you)\b"
    r"|^we (?:can|will see|should)\b",
    re.IGNORECASE,
)
_MY_TALK = re.compile(
    r"^(?:my|our) (?:next |last |first |second |other |previous |original |real |only )?(?:question"
    r"|questions|point"
    r"|guess|idea|request|bad|mistake|fault|apologies|pleasure|turn|message|thought|thoughts"
    r"|understanding|prompt"
    r"|impression|opinion|god|goodness|picture|photo|image|file|recording|video|text|essay|screen"
    r"|answer)\b",
    re.IGNORECASE,
)

VERB = (
    r"(?:is|are|was|were|has|have|had|does|did|do|will|can|got|gets|became|becomes|lives?|lived|works?"
    r"|likes?"
    r"|loves?|hates?|goes|went|comes?|came|moves?|starts?|needs?|wants?|eats?|drinks?|plays?|speaks?"
    r"|studies|died"
    r"|broke|turns?|bought|sold|left|leaves?|arrives?|calls?|costs?|ends?|takes?|took|makes?|made|gave"
    r"|keeps?"
    r"|sleeps?|runs?|ran|opens?|closes?|begins?|began|fell|said|won|lost|wears?|teaches|taught|sings?"
    r"|drives?"
    r"|prefers?|owns?|uses?|hurts?|grew|knows?|met|quit|used to|no longer|never|always|just|now"
    r"|recently|finally"
    r"|[a-z]{2,}ed)"
)
_IS_SUBJECT = re.compile(_SUBJECT)
_HAS_VERB = re.compile(rf"\b(?:am|live|work|{VERB})\b|\b(?:I|we) \w+", re.IGNORECASE)
_MINE = re.compile(rf"^(?:my|our) (?:[\w'’.-]+ ){{1,7}}?(?:[\w'’-]+ )?{VERB}\b", re.IGNORECASE)
_IS_MINE = re.compile(
    r"^(?:[A-Z][\w'’.-]*(?: [A-Z][\w'’-]*)*|[Tt]he [\w' -]+?) (?:is|are|was|were|will be) (?:also |not "
    r"|still |now )?"
    r"(?:(?:one|some|both|all) of )?(?:my|our|mine|ours)\b"
)
_NO_NAME = re.compile(
    r"^(?:this|that|it|these|those|there|here|he|she|they|you|your|nothing|everything|one|what)\b",
    re.IGNORECASE,
)
_THIS_IS = re.compile(r"^[Tt]his is (?:my|our) [a-z -]+,? [A-Z]\w+")
_NAMED = re.compile(
    r"^[A-Z][a-zà-ÿ]+(?: and [A-Z][a-zà-ÿ]+)?(?:'s [a-z ]+)? (?:now |just |still |really )?"
    r"(?:lives?|works?|likes|loves|hates|studies|speaks|prefers|moved|has moved|got married|turned"
    r"|turns|retired"
    r"|does not (?:like|eat|drink|live|work)|has (?:a|an|two|three|four|\d+) (?:\w+ )?(?:dog|cat|child"
    r"|children"
    r"|son|sons|daughter|daughters|kid|kids|allergy|appointment|birthday|brother|sister)s?"
    r"|is (?:\d{1,3}\b|allergic|vegetarian|vegan|pregnant|married|divorced|coming|moving|retired|afraid of"
    r"|visiting|diabetic))\b"
)
_THE = re.compile(
    r"^the (?:new |old |next |first |second |weekly |monthly |annual )?(?:[a-z]+ ){0,2}?"
    r"(?:wi-?fi|password|pin|passcode|meeting|appointment|flight|train|rent|party|wedding|deadline"
    r"|interview"
    r"|boiler|doctor|dentist|plumber|landlord|landlady|lease|mortgage|exam|surgery|operation|delivery|kids"
    r"|children|baby|dog|spare key|keys?|holiday|vet|babysitter|school|garage code|alarm code|door code"
    r"|code)"
    rf"(?:'s [a-z ]+)?(?: (?:for|to|of|with|at|on|in) [\w' -]+?)? {VERB}\b",
    re.IGNORECASE,
)
_BRIEF = re.compile(
    r"^(?:i|we) (?:smoke|smoked|drink|drive|ski|swim|snore|retired|moved|quit|emigrated)\b", re.IGNORECASE
)
_SCENE = re.compile(
    r"\b(?:picture|photo|image|drawing|painting|screenshot|video|clip|frame)\b", re.IGNORECASE
)

_JOINED = re.compile(
    rf"\s*[,;–—-]*\s+(?:and|but|so|because|while|although)\s+(?={_SUBJECT})|\s*;\s+|,\s+(?={_SUBJECT})"
    r"|\s*[,–—]\s+(?:so |and |but )?(?=(?:can|could|would|will|what|where|when|which|who|how|please|is"
    r"|are|do"
    r"|does|should)\b)"
)


def plain(text: str) -> str:
    """The text with straight apostrophes and English short forms written out, for rules to read."""
    text = " ".join(text.replace("’", "'").split())
    for short, long in _SHORT:
        text = short.sub(long, text)
    return text


_SHORT = tuple(
    (re.compile(short, re.IGNORECASE), long)
    for short, long in (
        (r"\bwon't\b", "will not"),
        (r"\bcan't\b", "can not"),
        (r"\bcannot\b", "can not"),
        (r"n't\b", " not"),
        (r"\b(I)'m\b", r"\1 am"),
        (r"'re\b", " are"),
        (r"'ve\b", " have"),
        (r"'ll\b", " will"),
        (r"\b(it|that|he|she|there|here|what|who)'s\b", r"\1 is"),
    )
)


def statements(text: str) -> list[str]:
    """What is stated in a person's words, sentence by sentence, each as it stands in the text."""
    masked = _QUOTED.sub(lambda found: _MASK if len(found[0].split()) > 2 else found[0], text)
    if _MATERIAL.search(masked):
        return []
    found: list[str] = []
    for sentence in sentences(masked):
        clauses, asks = _clauses(sentence), sentence.rstrip("\"'”’) ").endswith("?")
        for number, clause in enumerate(clauses):
            stated = _bare(clause)
            if (not asks or number < len(clauses) - 1) and is_statement(stated):
                found.append(stated)
            elif stated.endswith(":") or re.search(r":\s", stated):
                return found  # what follows a request and a colon is material to work on
    return found


def is_statement(sentence: str) -> bool:
    """Whether one sentence, without what leads up to it, states something about the person or their world."""
    if _MASK in sentence or sentence.endswith("?") or len(sentence.split()) < 2:
        return False
    text = plain(sentence)
    if len(text.split()) < 3:
        return bool(_BRIEF.match(text))
    text = _TIME.sub("", text)
    if _ASKS.search(text) or _HEDGED.search(text) or re.search(r":\s", text):
        return False
    if re.match(r"(?:I|[Ww]e)\b", text):
        talk = (_TALK, _NOT_TALK, _AM_TALK, _SOON)
        return not any(rule.search(text) for rule in talk) and not _SCENE.search(text)
    if re.match(r"(?:my|our)\b", text, re.IGNORECASE):
        return not _MY_TALK.search(text) and bool(_MINE.search(text))
    if _THIS_IS.search(text):
        return True
    if _NO_NAME.search(text):
        return False
    return any(rule.search(text) for rule in (_IS_MINE, _NAMED, _THE))


def _clauses(sentence: str) -> list[str]:
    """The sentence cut where another subject follows; "my wife and I" is one, "my son, my pride" as well."""
    cut: list[str] = []
    end = 0
    for found in _JOINED.finditer(sentence):
        both = (sentence[end : found.start()], " ".join(sentence[found.end() :].split()[:6]))
        lists = found[0].strip(" ,–—;-").casefold() in ("", "and") and ";" not in found[0]
        if not lists or not _IS_SUBJECT.match(both[1]) or all(_HAS_VERB.search(plain(side)) for side in both):
            cut.append(both[0])
            end = found.end()
    return [*cut, sentence[end:]]


def _bare(clause: str) -> str:
    """The clause without what leads up to the statement; it stays a stretch of the text."""
    clause = clause.strip(" \t,;–—-")
    for _ in range(3):
        shorter = _LEAD.sub("", clause)
        told = _TOLD.match(shorter)
        clause, before = (shorter[told.end() :] if told else shorter), clause
        if clause == before:
            break
    return clause
