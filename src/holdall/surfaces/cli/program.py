"""The program itself: its options, the store it opens, what it says when something is wrong.

    exit code 0   done, and all is well
              1   it failed; or damage was found; or what was compared differs
              2   the call was wrong: nothing was tried

What a command shows goes to the standard output, all else to the standard error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import click

from holdall.errors import (
    ArtifactNotFoundError,
    ExperimentNotFoundError,
    HoldallError,
    KeyUnavailableError,
    NotSignedError,
    RequestError,
)
from holdall.settings import Settings, read_settings
from holdall.surfaces.cli.hints import hint_of
from holdall.surfaces.cli.passphrases import ask_for, forget, may_ask, with_typed
from holdall.surfaces.cli.writer import confirm, quiet_pipes, tell, tell_click, tell_traceback

if TYPE_CHECKING:
    from holdall.store import Store, Unlock

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")

_Resolved: TypeAlias = tuple[str | None, click.Command | None, list[str]]

_TEXTS: Final = ("endpoint_url", "key", "password", "profile", "secret", "token", "username")  # never numbers
_OBJECTS: Final = ("client_kwargs", "config_kwargs", "s3_additional_kwargs")
_SEARCHED: Final = 10_000  # paths of a run that a mistyped one is held against


class WrongOption(click.ClickException):
    """A storage option that this kind of store does not have."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Write the message."""
        (file or sys.stderr).write(f"error: {self.message}\n")


class Noun(click.Group):
    """A group of commands that suggests a name for a mistyped one."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> _Resolved:
        """Find the command. Raises: UsageError, with the nearest names."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchOption:
            raise
        except click.UsageError as error:
            near = meant(args[0], self.list_commands(ctx))
            raise click.UsageError(f"there is no command {args[0]!r}{near}", ctx) from error


class Program(Noun):
    """The top of the command line, which turns holdall's errors into a few lines and an exit code."""

    group_class = Noun

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the program, and say what click has to say in our own way."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        with quiet_pipes():
            words = list(sys.argv[1:] if args is None else args)
            try:
                code = self._run(words, prog_name, complete_var, **extra)
            except click.ClickException as error:
                tell_click(error)
                sys.exit(error.exit_code)
            except click.Abort:
                tell("Aborted!")
                sys.exit(1)
            sys.exit(code if isinstance(code, int) else 0)

    def _run(self, words: list[str], prog_name: str | None, complete_var: str | None, **extra: Any) -> Any:
        """Run the command; once more where it was stopped by a store that a passphrase opens, which is asked for."""
        try:
            return super().main(list(words), prog_name, complete_var, standalone_mode=False, **extra)
        except KeyUnavailableError as error:  # which `invoke` lets through where somebody can be asked
            ask_for(error)
            return super().main(list(words), prog_name, complete_var, standalone_mode=False, **extra)
        finally:
            forget()

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyUnavailableError as error:
            if may_ask(error):
                raise
            _fail(error, debug=ctx.params.get("debug"))
        except (BrokenPipeError, click.ClickException, click.Abort, click.exceptions.Exit) as error:
            if isinstance(error, click.NoSuchOption):
                raise _where_it_belongs(error) from error
            raise
        except Exception as error:
            _fail(error, debug=ctx.params.get("debug"))


def _fail(error: Exception, *, debug: bool | None) -> NoReturn:
    """Say what went wrong, and end."""
    _tell_error(error)
    if debug:
        tell_traceback()
    tried = isinstance(error, ImportError | NotSignedError)  # what was asked for was looked at, or begun
    sys.exit(2 if isinstance(error, RequestError) and not tried else 1)


def _tell_error(error: Exception) -> None:
    """Write what went wrong, how to mend it, and the causes: a line each."""
    known = isinstance(error, HoldallError | OSError)
    tell(f"error: {error}{_advice(error)}" if known else f"error: {type(error).__name__}: {error}".removesuffix(": "))
    if hint := hint_of(error) if known else "`holdall --debug ...` shows where this was raised":
        tell(f"hint:  {hint}")
    for cause in _causes(error):
        tell(f"cause: {cause}")


def not_empty(_: click.Context, __: click.Parameter, given: Any) -> Any:
    """Return the argument. Raises: BadParameter if it is empty, as of a shell variable that is not set."""
    if "" in (given if isinstance(given, tuple) else (given,)):
        raise click.BadParameter("it is empty")
    return given


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="holdall")
@click.option(
    "--store", "url", callback=not_empty, help="The store: a folder, s3://bucket/prefix, ...  [env: HOLDALL_STORE]"
)
@click.option(
    "-o", "--option", "options", multiple=True, metavar="NAME=VALUE", help="A storage option; VALUE may be JSON."
)
@click.option("--debug", is_flag=True, help="Show where an error was raised.")
@click.pass_context
def program(ctx: click.Context, url: str | None, options: Sequence[str], debug: bool) -> None:  # noqa: ARG001
    """A content-addressed artifact store for machine learning that needs only a bucket.

    \b
    Example: holdall --store s3://bucket/experiments run list
    Guide: holdall guide start
    """
    ctx.obj = lambda other=None, unlock=None: _open(other or url, options, unlock)


def opened(url: str | None = None, unlock: Unlock | None = None) -> Store:
    """Return the store of the command: its argument, `--store` or `HOLDALL_STORE`; and what opens it."""
    opener: Callable[..., Store] = click.get_current_context().obj
    return opener(url, unlock)


def opened_at(url: str, more: Sequence[str] = ()) -> Store:
    """Return the store at an address: with the options of the command, unless it is a local one, and with more."""
    given = click.get_current_context().find_root().params["options"]
    local = "://" not in url or url.startswith(("file://", "memory://"))
    return _open(url, [*(() if local else given), *more])


def opener() -> Callable[[], Store]:
    """Return a function that opens the store of the command, in another process too: what was typed goes along."""
    given = click.get_current_context().find_root().params
    return partial(_open, given["url"], given["options"], _settings().unlock)


def opened_while_typing(ctx: click.Context) -> Store:
    """Return the store of an unfinished command line, for completion."""
    given = ctx.find_root().params
    return _open(given.get("url"), given.get("options") or ())


def meant(word: str, words: Iterable[str]) -> str:
    """Return the end of an error: the name that was perhaps meant."""
    near = get_close_matches(word, list(words), cutoff=0.5)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def ask(question: str, *, yes: bool) -> None:
    """Ask before going on, unless `--yes` was given.

    Raises:
        UsageError: There is nobody to ask.
        Abort: The answer was no.
    """
    if yes:
        return
    if not at_a_terminal():
        raise click.UsageError("there is no terminal to ask at; --yes goes on without asking")
    confirm(question)


def at_a_terminal() -> bool:
    """Return whether there is somebody to ask."""
    return sys.stdin.isatty()


def _open(url: str | None, options: Sequence[str], unlock: Unlock | None = None) -> Store:
    settings = _settings()
    try:
        settings = replace(settings, unlock=unlock or settings.unlock)
        return settings.open_store(url, dict(map(_option, options)))
    except HoldallError:
        raise
    except (ValueError, TypeError) as error:
        raise WrongOption(str(error)) from error


def _settings() -> Settings:
    """Return the settings, with the passphrase that was typed. Raises: UsageError."""
    try:
        settings = read_settings()
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return replace(settings, unlock=with_typed(settings.unlock))


def _option(text: str) -> tuple[str, Any]:
    """Return a storage option's name and value. Raises: WrongOption."""
    name, equals, value = text.partition("=")
    if not equals:
        raise WrongOption(f"{text!r} is not NAME=VALUE")
    if name == "endpoint_url" and not value.startswith(("http://", "https://")):
        raise WrongOption(f"endpoint_url={value!r} is no address of a server, such as http://localhost:9000")
    if name in _TEXTS:
        return name, value
    try:
        found = json.loads(value)
    except ValueError:
        found = value
    if name in _OBJECTS and not isinstance(found, dict):
        raise WrongOption(f"""{name}={value!r} is no JSON object, such as '{{"name": "value"}}'""")
    return name, found


def _where_it_belongs(error: click.NoSuchOption) -> click.UsageError:
    """Return the error; for an option of the program that was given after a noun, one that says where it belongs."""
    if error.option_name.partition("=")[0] not in ("--store", "--option", "-o"):
        return error
    said = f"{error.message.rstrip('.')}: --store and -o stand before the noun, as in holdall --store URL run list"
    return click.UsageError(said, error.ctx)


def _advice(error: Exception) -> str:
    """Return the end of an error: the path or experiment that was perhaps meant."""
    try:
        match error:
            case ArtifactNotFoundError():
                entries = islice(opened().runs.get(error.run_id).entries(), _SEARCHED)
                paths = [PurePosixPath(entry.path) for entry in entries]
                return meant(error.path, {str(at) for path in paths for at in (path, *path.parents)} - {"."})
            case ExperimentNotFoundError():
                return meant(error.experiment, (found.name for found in opened().experiments.all()))
    except HoldallError:  # the first error is the one to be told
        pass
    return ""


def _causes(error: BaseException) -> list[str]:
    """Return the causes of an error, without those whose text is said already."""
    causes: list[str] = []
    said, cause = str(error), error.__cause__
    while cause is not None and len(causes) < 5:
        text = str(cause) or type(cause).__name__
        if text not in said:
            causes.append(f"{type(cause).__name__}: {cause}".removesuffix(": "))
        said, cause = text, cause.__cause__
    return causes
