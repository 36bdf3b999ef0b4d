"""The two things that can be wrong with data: one picture, or the whole set. Explained in chapter 21."""


class PictureError(ValueError):
    """One picture cannot be used. Training skips it and says so; everything else stops.

    Args:
        file: the picture's name, as a reader would look for it.
        why: what is wrong with it, in words.
    """

    def __init__(self, file: str, why: str) -> None:
        super().__init__(file, why)  # both in args, so that it survives pickling between worker processes
        self.file = str(file)
        self.why = why

    def __str__(self) -> str:
        return f"{self.file}: {self.why}"


class DatasetError(ValueError):
    """A set of pictures cannot be used at all; the message names the file, the field and the fix."""
