"""The base of a test's parts: opened at the beginning of a block, closed at its end."""

from typing import Self


class Part:
    """A context manager by two methods; if opening fails half-way, the part is closed again."""

    def __enter__(self) -> Self:
        try:
            self.set_up()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def set_up(self) -> None:
        """Open the part; by default there is nothing to do."""

    def close(self) -> None:
        """End."""
        raise NotImplementedError
