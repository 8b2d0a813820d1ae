"""What chat says of itself."""

from __future__ import annotations

from specialists.base import Card, Cost, Parameter, Resources
from specialists.content import TEXT

EXAMPLES = (
    "What is the capital of France?",
    "Why is the sky blue?",
    "Who wrote Pride and Prejudice?",
    "Explain what inflation is to a twelve-year-old",
    "What is the difference between a virus and a bacterium?",
    "Write a short thank-you note to my neighbour",
    "Draft a polite email asking for two days off",
    "Make up a bedtime story about a brave hedgehog",
    "Write a haiku about the rain",
    "Summarise this text in one sentence",
    "Give me the main points as a list",
    "Make that shorter and friendlier",
    "Translate 'good morning' into Spanish",
    "How do you say thank you in Italian?",
    "Correct the grammar of this sentence",
    "What is 17 plus 25?",
    "How much is 15 percent of 80?",
    "What can I cook with eggs and spinach?",
    "How do I sleep better?",
    "Should I learn French or German first?",
    "Plan a rainy Sunday with two children",
    "Suggest a name for my bakery",
    "What did we talk about a moment ago?",
    "Compare the two and tell me which is cheaper",
    "Hello, how are you?",
)


ENDS = "ends"
"""The parameter by which a chat model says that it can tell whether a message is over."""


def card(
    model: str,
    *,
    seconds: float,
    memory_mb: int,
    gpus: float = 0.0,
    remedy: str = "",
    name: str = "chat",
    foretells: bool = False,
) -> Card:
    """The Card; a `remedy` says that something is missing, and what to do."""
    ends = Parameter(ENDS, "boolean", "only tell how likely the words are all there is, as a score")
    return Card(
        name=name,
        description=(
            "Answers questions and works on words: explains, writes, summarises, translates, calculates, "
            "advises, and joins what other specialists found into one answer. Reads text only."
        ),
        consumes=(TEXT,),
        produces=(TEXT,),
        parameters=(
            Parameter("max_tokens", "integer", "the longest answer, in tokens"),
            Parameter("temperature", "number", "0 for the likeliest answer, up to 2 for variety"),
            Parameter("seed", "integer", "makes an answer above temperature 0 repeatable"),
            Parameter("stop", "string", "end the answer before this text"),
            Parameter("grammar", "string", "a GBNF grammar the answer must follow (not on a server)"),
            Parameter("form", "string", "the words the answer may have, a finite automaton as JSON"),
            *((ends,) if foretells else ()),
        ),
        examples=EXAMPLES,
        purpose="chat",
        cost=Cost(seconds=seconds),
        resources=Resources(cpus=1, gpus=gpus, memory_mb=memory_mb),
        model=model,
        available=not remedy,
        remedy=remedy,
    )
