"""The one exception that stands for a user's mistake."""


class InputError(ValueError):
    """Something the user gave can't be used; the message is one sentence.

    It says what was wrong, where, and what would be right. The command line prints it without a traceback and exits
    with code 2.
    """
