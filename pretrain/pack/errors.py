"""The one exception of this folder."""


class PackError(Exception):
    """A pack, or a file that should go into one, that cannot be used; the message is for the user and names the file."""
