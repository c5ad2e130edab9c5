"""How a command ends that does not succeed."""


class CommandFailed(Exception):
    """The command has been understood and did not come to what it should; says why and what to do. Exit status 1."""

    status = 1


class WrongUse(CommandFailed):
    """A setting or an argument is wrong. Exit status 2, as of a command line that cannot be read."""

    status = 2


class CannotStart(CommandFailed):
    """Something outside that is not there, or taken; says what to change. Exit status 3."""

    status = 3
