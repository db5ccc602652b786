"""What can go wrong, in one tree; every message says what was expected, what came, what to do.

CrossattnError
├── UnsupportedModelError     the model or one of its attention processors cannot be served
├── PromptError               the prompt (or a weight in it) cannot be read
│   └── WordNotFoundError     a word, phrase, occurrence or token that the prompt does not have
├── TraceError                a trace was asked for what it did not record, or cannot be loaded
├── ControlError              a control's settings do not fit the prompt, the model or each other
│   └── NothingTouchedError   a control was attached and changed nothing
├── RecipeError               a recipe's field is missing, unknown or out of range
├── ModelLoadError            a model's files are missing, broken, unsafe or of the wrong kind
└── InputError                a file given by the user cannot be used
"""


class CrossattnError(Exception):
    """Base of every error that this project raises on purpose; its text is for people."""


class UnsupportedModelError(CrossattnError):
    """The model, or one of its attention processors, cannot be served."""


class PromptError(CrossattnError):
    """The prompt, or a weight in it, cannot be read."""


class WordNotFoundError(PromptError):
    """The prompt does not have that word, phrase, occurrence or token."""


class TraceError(CrossattnError):
    """A trace was asked for what it did not record, or cannot be loaded."""


class ControlError(CrossattnError):
    """A control's settings do not fit the prompt, the model, or each other."""


class NothingTouchedError(ControlError):
    """A control was attached and changed nothing."""


class RecipeError(CrossattnError):
    """A recipe's field is missing, unknown or out of range."""


class ModelLoadError(CrossattnError):
    """A model's files are missing, broken, unsafe or of the wrong kind."""


class InputError(CrossattnError):
    """A file given by the user cannot be used."""
