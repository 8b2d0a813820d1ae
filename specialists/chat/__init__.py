"""Chat: answers from text, with any of three kinds of backend."""

from specialists.chat.specialist import Chat, create

__all__ = ["Chat", "create"]
